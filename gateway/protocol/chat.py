"""Payloads of `/chat`: what clients ask, what they are answered and what the room hears."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from gateway.errors import CATALOGUE, Code
from gateway.protocol.text import is_visible
from gateway.protocol.wire import (
    Cursor,
    Identifier,
    Missed,
    Payload,
    Reason,
    Request,
    Since,
    StreamKey,
    Timestamp,
    now,
)

MAX_MESSAGE = 500  # code points, after trimming
HISTORY = 100  # messages a join answers with, and the most a page holds

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # C0 and C1 except tab and line feed, which are white space
_HALF = re.compile(r"[\ud800-\udfff]")  # of a character: JSON can say it, UTF-8 cannot


def _clean(text: str) -> str:
    text = _CONTROL.sub("", text).strip()
    if not text or _HALF.search(text):
        raise PydanticCustomError("INVALID_MESSAGE", CATALOGUE[Code.INVALID_MESSAGE].message)
    if len(text) > MAX_MESSAGE:
        raise PydanticCustomError("MESSAGE_TOO_LONG", CATALOGUE[Code.MESSAGE_TOO_LONG].message)
    if not is_visible(text):
        raise PydanticCustomError("INVALID_MESSAGE", CATALOGUE[Code.INVALID_MESSAGE].message)
    return text


# A message as it is stored: without control characters and outer white space. What does not fit has codes of its own.
MessageText = Annotated[str, AfterValidator(_clean)]

# What a sender calls a message: any text but control characters, some of which no database can store.
ClientMessageId = Annotated[Identifier, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$")]


class JoinRoom(Request):
    """`chat:join-room`."""

    live_id: StreamKey
    since: Since | None = None


class LeaveRoom(Request):
    """`chat:leave-room`."""

    live_id: StreamKey


class SendMessage(Request):
    """`chat:send-message`."""

    live_id: StreamKey
    message: MessageText
    client_message_id: ClientMessageId | None = None


class DeleteMessage(Request):
    """`chat:delete-message`."""

    live_id: StreamKey
    message_id: Identifier
    reason: Reason | None = None


class History(Request):
    """`chat:history`: a page of messages before a message id, newest page first."""

    live_id: StreamKey
    before: Identifier | None = None
    limit: Annotated[int, Field(ge=1, le=HISTORY)] = HISTORY


class Said(Payload):
    """What somebody said, wherever it is shown."""

    id: str
    live_id: str
    user_id: str
    username: str
    role: str
    message: str
    client_message_id: str | None
    timestamp: Timestamp


class Message(Said):
    """One stored message, as history gives it and `chat:message` broadcasts it."""

    seq: int


class PinnedMessage(Said):
    """A message that the room shows on top, and `data` of `chat:pinned`; without `pinned_until` it stays there.

    It has no `seq`: that of an event is its own place in the log, and clients drop one that they have had.
    """

    pinned_by: str
    pinned_at: Timestamp
    pinned_until: Timestamp | None


class RoomSettings(Payload):
    """How a room is kept civil."""

    slow_mode_seconds: int = 0
    frozen: bool = False
    guests_allowed: bool = False


class You(Payload):
    """What the joiner may do here. `moderator`: as moderators do, of all rooms or as the host of this one."""

    user_id: str
    username: str
    role: str
    muted_until: Timestamp | None = None
    can_send: bool = True
    moderator: bool = False


class Joined(Payload):
    """The ack of `chat:join-room`. `events` is there when `recovered`, `history` is fresh when not."""

    room_name: str
    members: int
    history: list[Message]
    pinned: list[PinnedMessage] = Field(default_factory=list)
    settings: RoomSettings
    you: You
    cursor: Cursor
    recovered: bool
    events: list[Missed] | None = Field(default=None, exclude_if=lambda v: v is None)


class Left(Payload):
    """The ack of `chat:leave-room`."""

    room_name: str


class Sent(Payload):
    """The ack of `chat:send-message`: the message is committed. `duplicate`: it was, already.

    `message` is the text as it is stored, without control characters and perhaps masked.
    """

    id: str
    seq: int
    message: str
    client_message_id: str | None
    timestamp: Timestamp
    duplicate: bool


class Deleted(Payload):
    """The ack of `chat:delete-message`."""

    message_id: str
    already_deleted: bool


class HistoryPage(Payload):
    """The ack of `chat:history`: oldest first; `next_before` is the id to ask with next, None at the beginning."""

    messages: list[Message]
    next_before: str | None


class HistoryEvent(Payload):
    """`data` of the event `chat:history`, to a joiner that asked for no ack."""

    live_id: str
    messages: list[Message]


class MessageDeleted(Payload):
    """`data` of `chat:message-deleted`; `seq` is the place of the deletion in the room's log."""

    message_id: str
    seq: int
    live_id: str
    deleted_by: str
    reason: str | None
    timestamp: Timestamp = Field(default_factory=now)


class Presence(Payload):
    """`data` of `chat:user-joined` and `chat:user-left`."""

    user_id: str
    live_id: str
    timestamp: Timestamp = Field(default_factory=now)


class RoomState(Payload):
    """`data` of `chat:room-state`, in rooms too large to name everyone."""

    live_id: str
    members: int
