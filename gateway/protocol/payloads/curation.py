"""Payloads of pins and clears on `/chat`: requests, acks and broadcasts."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from gateway.clocks import now
from gateway.protocol.payloads.chat import Message
from gateway.protocol.payloads.moderation import Seconds
from gateway.protocol.wire import Identifier, Payload, Reason, Request, StreamKey, Timestamp

# The id of an entry of the audit log.
EntryId = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,17}$", examples=["42"])]


class PinMessage(Request):
    """`chat:pin-message`: pin a message, without `seconds` for good. Pinning again changes the end."""

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
    """Why a pin ended."""

    UNPINNED = "unpinned"  # by a moderator
    EXPIRED = "expired"
    REPLACED = "replaced"  # by a newer pin, since a room has a maximum
    DELETED = "deleted"  # with its message


class Unpinned(Payload):
    """`data` of `chat:unpinned`."""

    live_id: str
    message_id: str
    cause: Cause
    timestamp: Timestamp = Field(default_factory=now)


class Clear(Request):
    """`chat:clear`: delete the messages of a room; only those of `user_id` and of the `last_seconds` if given.

    With `dry_run` nothing is deleted, and the ack has the number that would be.
    """

    live_id: StreamKey
    user_id: Identifier | None = None
    last_seconds: Seconds | None = None
    reason: Reason | None = None
    dry_run: bool = False


class ClearAck(Payload):
    """The ack of `chat:clear`. `clear_id`, with which the clear can be undone, is null if nothing was deleted.

    `remaining`: how many messages were too many for one request; repeating the request continues.
    """

    deleted: int
    remaining: int
    clear_id: str | None
    dry_run: bool


class Cleared(Payload):
    """`data` of `chat:cleared`: messages with `from_seq` <= `seq` < `before_seq` were deleted.

    With `user_id` only those of this sender. A large clear sends several events.
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
    """The ack of `chat:undo-clear`: how many messages were restored, and how many no longer exist (`lost`).

    `remaining`: how many were too many for one request; repeating the request continues.
    """

    restored: int
    remaining: int
    lost: int


class Restored(Payload):
    """`data` of `chat:restored`: messages with `from_seq` <= `seq` <= `to_seq` were restored.

    `messages` are the restored ones, oldest first; None if they are more than 100: then read `chat:history`.
    """

    live_id: str
    clear_id: str
    from_seq: int
    to_seq: int
    restored: int
    messages: list[Message] | None
    timestamp: Timestamp = Field(default_factory=now)
