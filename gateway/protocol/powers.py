"""The names of roles and of what moderators may do, as clients see them. Used by payloads, and by who grants them."""

from enum import StrEnum
from typing import Literal

RoleName = Literal["GUEST", "USER", "HOST", "MODERATOR", "ADMIN"]


class Power(StrEnum):
    """One thing that moderators do."""

    MUTE = "MUTE"
    BAN = "BAN"
    SETTINGS = "SETTINGS"  # slow mode, freezing, guests
    ANNOUNCE = "ANNOUNCE"
    PIN = "PIN"
    REVIEW = "REVIEW"  # reported messages: keep or delete them
    DELETE = "DELETE"
    CLEAR = "CLEAR"
