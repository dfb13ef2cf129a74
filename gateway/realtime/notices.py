"""Notices: the messages between nodes that are not broadcasts. Services send and receive them through the fan-out.

Only this file knows their wire format: `[kind, version, fields]` as JSON. During a rolling update two versions of the
gateway exchange notices, so a kind may only gain fields, each with a default; a field with a new meaning needs a new
kind. Receivers ignore unknown kinds and unknown fields.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from gateway.errors import Code


class MalformedNotice(ValueError):
    """Received data is not a notice, or lacks a required field of its kind."""


class Notice:
    """Base class of all kinds of notices."""

    __slots__ = ()

    kind: ClassVar[str]
    version: ClassVar[int] = 1  # raised with each added field


@dataclass(frozen=True, slots=True)
class Revoked(Notice):
    """Access tokens of a user were revoked: their sockets are sent `code` and disconnected.

    Concerns the tokens of the session `session_id`. If that is None, it concerns all tokens issued up to `before`
    (s since 1970, None for any time), except those of the session `keep_session_id`.
    """

    kind: ClassVar[str] = "revoked"

    user_id: str
    session_id: str | None = None
    before: float | None = None
    keep_session_id: str | None = None
    code: str = Code.TOKEN_REVOKED


@dataclass(frozen=True, slots=True)
class ProfileChanged(Notice):
    """The name, role or status of an account has changed: nodes must reload what they cached of it."""

    kind: ClassVar[str] = "profile-changed"

    user_id: str


@dataclass(frozen=True, slots=True)
class UserBanned(Notice):
    """A user or guest is banned from the chat of a stream, or from everywhere if `live_id` is None."""

    kind: ClassVar[str] = "user-banned"

    user_id: str
    live_id: str | None
    until: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class UserUnbanned(Notice):
    """A ban was lifted; `live_id` as in UserBanned. `host_id` is the host of that stream."""

    kind: ClassVar[str] = "user-unbanned"
    version: ClassVar[int] = 2

    user_id: str
    live_id: str | None
    host_id: str | None = None


@dataclass(frozen=True, slots=True)
class UserMuted(Notice):
    """A user or guest is muted in the chat of a stream; `until` is None if the mute was lifted.

    `live_id` is None for the mute of a guest from the network of a ban everywhere.
    `host_id` is the stream's host, set if a mute was lifted.
    """

    kind: ClassVar[str] = "user-muted"
    version: ClassVar[int] = 2

    user_id: str
    live_id: str | None
    until: datetime | None
    host_id: str | None = None


@dataclass(frozen=True, slots=True)
class RoomSettingsChanged(Notice):
    """A setting of the chat of a stream has changed, and with it the rights of its members."""

    kind: ClassVar[str] = "room-settings-changed"

    live_id: str


@dataclass(frozen=True, slots=True)
class UserEvent(Notice):
    """An event for all sockets of one user on `/`, sent as `{type: event, data}`. `data` consists of JSON types."""

    kind: ClassVar[str] = "user-event"

    user_id: str
    event: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NotificationSent(Notice):
    """A notification was stored for some users. `ids` maps the id of each user to that of their copy."""

    kind: ClassVar[str] = "notification-sent"

    ids: dict[str, str]
    title: str
    message: str
    level: str
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class StreamBegan(Notice):
    """A stream is live for the first time since `began`, from which the `streamTime` of events is counted."""

    kind: ClassVar[str] = "stream-began"

    stream_key: str
    began: datetime


@dataclass(frozen=True, slots=True)
class StreamEnded(Notice):
    """A stream has ended, and so has no viewers."""

    kind: ClassVar[str] = "stream-ended"

    stream_key: str


@dataclass(frozen=True, slots=True)
class StreamResumed(Notice):
    """A stream that had ended is live again: the members of its room are viewers again."""

    kind: ClassVar[str] = "stream-resumed"

    stream_key: str


@dataclass(frozen=True, slots=True)
class ConnectionsAsked(Notice):
    """A node asks for the connections of a user or guest. Each node answers with ConnectionsFound, even without any."""

    kind: ClassVar[str] = "connections-asked"

    question: str
    user_id: str


@dataclass(frozen=True, slots=True)
class ConnectionSought(Notice):
    """A node asks for one connection. Each node answers with ConnectionsFound, even if it does not have it."""

    kind: ClassVar[str] = "connection-sought"

    question: str
    connection_id: str


@dataclass(frozen=True, slots=True)
class ConnectionEnded(Notice):
    """An administrator ends a connection: its node closes it, and each node answers with ConnectionsFound."""

    kind: ClassVar[str] = "connection-ended"

    question: str
    connection_id: str


@dataclass(frozen=True, slots=True)
class ConnectionsFound(Notice):
    """The answer of a node to a question. `connections` are payloads of JSON types, `process` its id in `nodes`."""

    kind: ClassVar[str] = "connections-found"

    question: str
    process: str
    connections: list[dict[str, Any]]


KINDS: dict[str, type[Notice]] = {
    cls.kind: cls
    for cls in (
        Revoked,
        ProfileChanged,
        UserBanned,
        UserUnbanned,
        UserMuted,
        RoomSettingsChanged,
        UserEvent,
        NotificationSent,
        StreamBegan,
        StreamEnded,
        StreamResumed,
        ConnectionsAsked,
        ConnectionEnded,
        ConnectionsFound,
        ConnectionSought,
    )
}

N = TypeVar("N", bound=Notice)


class NoticeSender(Protocol):
    """Sends notices to all nodes, including this one."""

    async def notify(self, notice: Notice) -> None:
        """Send a notice. Never raises."""


class NoticeSource(Protocol):
    """Receives the notices of all nodes."""

    def on_notice(self, kind: type[N], handler: Callable[[N], Awaitable[None]]) -> None:
        """Call `handler` with every notice of a kind, one at a time and in order."""


def encode(notice: Notice) -> bytes:
    """Encode a notice for the wire."""
    return msgspec.json.encode([notice.kind, notice.version, notice])


def decode(data: bytes) -> Notice | None:
    """Return the notice in `data`; None for an unknown kind. Raises MalformedNotice."""
    try:
        kind, _version, fields = msgspec.json.decode(data, type=tuple[str, int, dict[str, Any]])
        known = KINDS.get(kind)
        return None if known is None else msgspec.convert(fields, known)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise MalformedNotice(str(error)) from None
