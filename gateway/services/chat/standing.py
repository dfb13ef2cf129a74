"""What somebody may do in a chat room now. Returned by the room settings, read by the chat service."""

from datetime import datetime
from typing import NamedTuple

from gateway.protocol.chat import RoomSettings


class Standing(NamedTuple):
    """What holds for somebody in a room that they may be in."""

    settings: RoomSettings
    muted_until: datetime | None
    can_send: bool
