"""Payloads of moderation on `/chat`: requests, acks and broadcasts."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from gateway.clocks import now
from gateway.protocol.payloads.chat import MessageText, RoomSettings
from gateway.protocol.wire import Identifier, Payload, Reason, Request, StreamKey, Timestamp

LONGEST = 31_536_000  # s, a year; longer sanctions are made without an end
LONGEST_SLOW_MODE = 300  # s

# The `until` of a sanction without an end. Null means that there is no sanction.
FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

Seconds = Annotated[int, Field(ge=1, le=LONGEST)]


class MuteUser(Request):
    """`chat:mute-user`, without `seconds` for good; `chat:unmute-user`, which ignores `seconds`."""

    live_id: StreamKey
    user_id: Identifier
    seconds: Seconds | None = None
    reason: Reason | None = None


class BanUser(Request):
    """`chat:ban-user`: from a room, or without `live_id` everywhere; without `seconds` for good.

    Also `chat:unban-user`, which ignores `seconds` and `delete_messages`.
    """

    live_id: StreamKey | None = None
    user_id: Identifier
    seconds: Seconds | None = None
    reason: Reason | None = None
    delete_messages: bool = False


class SlowMode(Request):
    """`chat:slow-mode`: the least time between two messages of a sender; 0 turns it off."""

    live_id: StreamKey
    seconds: Annotated[int, Field(ge=0, le=LONGEST_SLOW_MODE)]


class Freeze(Request):
    """`chat:freeze`: whether only moderators may send messages."""

    live_id: StreamKey
    frozen: bool


class AllowGuests(Request):
    """`chat:allow-guests`: whether guests may send messages."""

    live_id: StreamKey
    allowed: bool


class Announce(Request):
    """`chat:announce`."""

    live_id: StreamKey
    message: MessageText


class Sanctioned(Payload):
    """The ack of imposing and lifting mutes and bans. `until` and `sanction_id` are null if no sanction is in force."""

    live_id: str | None
    user_id: str
    until: Timestamp | None
    sanction_id: str | None = None


class BanAck(Sanctioned):
    """The ack of `chat:ban-user`, with the number of messages that were deleted."""

    deleted: int


class Muted(Payload):
    """`chat:muted`, to the sockets of a user in a room. `until` is null if the mute was lifted.

    `live_id` is null for a mute in all rooms.
    """

    live_id: str | None
    until: Timestamp | None


class Lifted(Payload):
    """`chat:unmuted` and `chat:unbanned`: a sanction of `user_id` was lifted; `live_id` is null for one everywhere."""

    user_id: str
    live_id: str | None


class Banned(Payload):
    """`chat:banned`, sent to the sockets of a user before they end; `live_id` is null for a ban everywhere."""

    live_id: str | None
    until: Timestamp
    reason: str | None


class SettingsChanged(RoomSettings):
    """`data` of `chat:settings`, and the ack of the events that change settings."""

    live_id: str


class Announcement(Payload):
    """`data` of `chat:announcement`; `seq` is its place in the room log."""

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
    """Return the `until` of a sanction for clients."""
    return ends_at or FOREVER
