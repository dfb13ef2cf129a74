"""Payloads of `/chat`: requests, acks and broadcasts."""

import re
from operator import not_
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from gateway.clocks import now
from gateway.errors import CATALOGUE, Code
from gateway.protocol.powers import Power, RoleName
from gateway.protocol.text import is_visible
from gateway.protocol.wire import Cursor, Identifier, Missed, Payload, Reason, Request, Since, StreamKey, Timestamp

MAX_MESSAGE = 500  # code points, after trimming
NOBODY = "system"  # `deletedBy` of a message that no person deleted
HISTORY = 100  # messages in the ack of a join, and the most in a page

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # C0 and C1 except tab and line feed
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # can be written in JSON but not in UTF-8


def _clean(text: str) -> str:
    text = _CONTROL.sub("", text).strip()
    if not text or _SURROGATE.search(text):
        raise PydanticCustomError("INVALID_MESSAGE", CATALOGUE[Code.INVALID_MESSAGE].message)
    if len(text) > MAX_MESSAGE:
        raise PydanticCustomError("MESSAGE_TOO_LONG", CATALOGUE[Code.MESSAGE_TOO_LONG].message)
    if not is_visible(text):
        raise PydanticCustomError("INVALID_MESSAGE", CATALOGUE[Code.INVALID_MESSAGE].message)
    return text


# A message as it is stored: without control characters and outer white space. Violations have error codes of their own.
MessageText = Annotated[
    str, AfterValidator(_clean), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_MESSAGE})
]

# The sender's own id of a message: any text without control characters.
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


class ChatText(Payload):
    """The fields that messages and pins have in common."""

    id: str
    live_id: str
    user_id: str
    username: str
    role: RoleName
    message: str
    client_message_id: str | None
    timestamp: Timestamp


class Message(ChatText):
    """A stored message, in the history and as `data` of `chat:message`."""

    seq: int


class HistoryMessage(Message):
    """An entry of the history in the ack of a join: a message, or with `kind` an announcement."""

    kind: Literal["announcement"] | None = Field(default=None, exclude_if=not_)


class PinnedMessage(ChatText):
    """A pinned message, in the ack of a join and as `data` of `chat:pinned`; without `pinned_until` it stays pinned.

    It has no `seq` of the message: the `seq` of an event is the event's own place, by which clients drop repetitions.
    """

    pinned_by: str
    pinned_at: Timestamp
    pinned_until: Timestamp | None


class RoomSettings(Payload):
    """The settings of a chat room, which moderators change."""

    slow_mode_seconds: int = 0
    frozen: bool = False
    guests_allowed: bool = False


class Rights(Payload):
    """What a user may do in a room now.

    `can_send` is true in slow mode. `muted_until` is None for a user who is not muted. `moderator`: may moderate this
    room, by role or as the host of its stream; `powers` are what that includes.
    """

    can_send: bool = True
    muted_until: Timestamp | None = None
    moderator: bool = False
    powers: tuple[Power, ...] = ()


class You(Rights):
    """The joining user and their rights in the room."""

    user_id: str
    username: str
    role: RoleName


class YourRights(Rights):
    """`data` of `chat:you`: the rights of the socket's user in a room from now on."""

    live_id: str


class Joined(Payload):
    """The ack of `chat:join-room`. If `recovered`, `events` has what was missed; else `history` is complete."""

    room_name: str
    members: int
    history: list[HistoryMessage]
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
    """The ack of `chat:send-message`: the message is committed. `duplicate`: it had been stored before.

    `message` is the stored text, without control characters and with listed words masked.
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
    """The ack of `chat:history`, oldest first. `next_before` is `before` of the next page, null after the last one."""

    messages: list[Message]
    next_before: str | None


class HistoryEvent(Payload):
    """`data` of the event `chat:history`, sent to a socket that joined without an ack."""

    live_id: str
    messages: list[HistoryMessage]


class MessageDeleted(Payload):
    """`data` of `chat:message-deleted`; `seq` is the place of the deletion in the room log.

    `deleted_by` is `system` for a message that reports have hidden; it may come back by `chat:restored`.
    """

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


class Sampled(Payload):
    """`data` of `chat:sampled`: of the `total` messages from `from_seq` to `to_seq` everybody got only `shown`.

    The others were not sent to everybody, because the room has more than people can read. They are stored, too.
    """

    live_id: str
    from_seq: int
    to_seq: int
    shown: int
    total: int


class RoomState(Payload):
    """`data` of `chat:room-state`, in rooms too large for `chat:user-joined` and `chat:user-left`."""

    live_id: str
    members: int
