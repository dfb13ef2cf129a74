"""Payloads of moderation on `/chat`: what moderators ask, what they are answered, what rooms and people are told."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from gateway.protocol.chat import MessageText, RoomSettings
from gateway.protocol.wire import Identifier, Payload, Reason, Request, StreamKey, Timestamp, now

LONGEST = 31_536_000  # s, a year; what is to last longer has no end
LONGEST_SLOW_MODE = 300  # s

# When a sanction ends that has no end, so that `until` is null for nobody who is held by one.
FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

Seconds = Annotated[int, Field(ge=1, le=LONGEST)]


class MuteUser(Request):
    """`chat:mute-user`, for good without `seconds`. `chat:unmute-user` takes the same and has no use for `seconds`."""

    live_id: StreamKey
    user_id: Identifier
    seconds: Seconds | None = None
    reason: Reason | None = None


class BanUser(Request):
    """`chat:ban-user`: from a room, or everywhere without `live_id`; for good without `seconds`.

    `chat:unban-user` takes the same and has no use for `seconds` and `delete_messages`.
    """

    live_id: StreamKey | None = None
    user_id: Identifier
    seconds: Seconds | None = None
    reason: Reason | None = None
    delete_messages: bool = False


class SlowMode(Request):
    """`chat:slow-mode`: so long between two messages of one sender; 0 is off."""

    live_id: StreamKey
    seconds: Annotated[int, Field(ge=0, le=LONGEST_SLOW_MODE)]


class Freeze(Request):
    """`chat:freeze`: nobody but who moderates may write."""

    live_id: StreamKey
    frozen: bool


class AllowGuests(Request):
    """`chat:allow-guests`: whether guests may write."""

    live_id: StreamKey
    allowed: bool


class Announce(Request):
    """`chat:announce`."""

    live_id: StreamKey
    message: MessageText


class Sanctioned(Payload):
    """The ack of mutes and bans and of lifting them: `until` and `sanction_id` are null when nothing holds any more."""

    live_id: str | None
    user_id: str
    until: Timestamp | None
    sanction_id: str | None = None


class BanAck(Sanctioned):
    """The ack of `chat:ban-user`, with the number of messages that were deleted."""

    deleted: int


class Muted(Payload):
    """`chat:muted`, to the sockets of somebody in a room: until when they may not write, null if they may again.

    `live_id` is null for a mute in all rooms.
    """

    live_id: str | None
    until: Timestamp | None


class Lifted(Payload):
    """`chat:unmuted` and `chat:unbanned`: whose mute or ban was lifted; `live_id` is null for a ban everywhere."""

    user_id: str
    live_id: str | None


class Banned(Payload):
    """`chat:banned`, to the sockets of somebody that are about to be ended; `live_id` is null for a ban everywhere."""

    live_id: str | None
    until: Timestamp
    reason: str | None


class SettingsChanged(RoomSettings):
    """`data` of `chat:settings`, and the ack of what changes them."""

    live_id: str


class Announcement(Payload):
    """`data` of `chat:announcement`; `seq` is its place in the room's log."""

    seq: int
    live_id: str
    user_id: str
    username: str
    role: str
    message: str
    timestamp: Timestamp = Field(default_factory=now)


class Announced(Payload):
    """The ack of `chat:announce`."""

    seq: int
    timestamp: Timestamp


def until(ends_at: datetime | None) -> datetime:
    """When a sanction ends, as clients are told."""
    return ends_at or FOREVER
