"""Payloads of pins and of clearing on `/chat`: what moderators ask, what they are answered and what the room hears."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from gateway.protocol.moderation import Seconds
from gateway.protocol.wire import Identifier, Payload, Reason, Request, StreamKey, Timestamp, now

# The id of an entry of the moderation log, as the database counts.
EntryId = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,17}$", examples=["42"])]


class PinMessage(Request):
    """`chat:pin-message`: show a message on top, for good without `seconds`. Pinning again sets another end."""

    live_id: StreamKey
    message_id: Identifier
    seconds: Seconds | None = None


class UnpinMessage(Request):
    """`chat:unpin-message`."""

    live_id: StreamKey
    message_id: Identifier


class PinAck(Payload):
    """The ack of `chat:pin-message`."""

    message_id: str
    until: Timestamp | None


class UnpinAck(Payload):
    """The ack of `chat:unpin-message`."""

    message_id: str
    already_unpinned: bool


class Cause(StrEnum):
    """Why a message is not on top any more."""

    UNPINNED = "unpinned"  # somebody did that
    EXPIRED = "expired"
    REPLACED = "replaced"  # by one more than a room may have
    DELETED = "deleted"


class Unpinned(Payload):
    """`data` of `chat:unpinned`."""

    live_id: str
    message_id: str
    cause: Cause
    timestamp: Timestamp = Field(default_factory=now)


class Clear(Request):
    """`chat:clear`: delete all messages of a room, of one sender, of the last seconds, or both.

    With `dry_run` nothing is deleted, and the ack says how many would be.
    """

    live_id: StreamKey
    user_id: Identifier | None = None
    last_seconds: Seconds | None = None
    reason: Reason | None = None
    dry_run: bool = False


class ClearAck(Payload):
    """The ack of `chat:clear`; `clear_id` undoes it, and is null if nothing was deleted.

    `remaining`: a very large clear took too long for one request; the same request goes on with it.
    """

    deleted: int
    remaining: int
    clear_id: str | None
    dry_run: bool


class Cleared(Payload):
    """`data` of `chat:cleared`: messages are gone whose `seq` is at least `from_seq` and below `before_seq`.

    All of them, or those of one sender. A large clear is told in several events.
    """

    live_id: str
    user_id: str | None = Field(default=None, exclude_if=lambda v: v is None)
    from_seq: int
    before_seq: int
    clear_id: str
    timestamp: Timestamp = Field(default_factory=now)


class UndoClear(Request):
    """`chat:undo-clear`."""

    live_id: StreamKey
    clear_id: EntryId


class UndoAck(Payload):
    """The ack of `chat:undo-clear`: how many messages are back, and how many are not kept any more.

    `remaining`: there were too many for one request; the same request goes on with it.
    """

    restored: int
    remaining: int
    lost: int


class Restored(Payload):
    """`data` of `chat:restored`: messages are back between two places, both included; `chat:history` has them."""

    live_id: str
    clear_id: str
    from_seq: int
    to_seq: int
    messages: int
    timestamp: Timestamp = Field(default_factory=now)
