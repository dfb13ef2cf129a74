"""The names of roles and permissions, as clients see them. Used by payloads and by the checks of permissions."""

from enum import StrEnum
from typing import Literal

RoleName = Literal["GUEST", "USER", "HOST", "MODERATOR", "ADMIN"]


class Power(StrEnum):
    """A permission of moderators."""

    MUTE = "MUTE"
    BAN = "BAN"
    SETTINGS = "SETTINGS"  # slow mode, freezing, guests
    ANNOUNCE = "ANNOUNCE"
    PIN = "PIN"
    REVIEW = "REVIEW"  # reported messages: keep or delete them
    DELETE = "DELETE"
    CLEAR = "CLEAR"
