"""Notices: what nodes tell each other, apart from broadcasts. Services send them and subscribe through the fan-out.

This is the only file that knows their form on the wire: `[kind, version, fields]` as JSON. During a rolling update two
versions of the gateway hear each other, so a kind only ever gains fields, each with a default; whatever changes the
meaning of a field is a new kind. Receivers ignore unknown kinds and unknown fields.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from gateway.errors import Code


class MalformedNotice(ValueError):
    """What arrived is no notice, or one of a known kind without a field that it must have."""


class Notice:
    """Base class of the kinds."""

    __slots__ = ()

    kind: ClassVar[str]
    version: ClassVar[int] = 1  # raised with each added field


@dataclass(frozen=True, slots=True)
class Revoked(Notice):
    """Access tokens of a user are revoked; the sockets that came with them are ended and told `code`.

    Concerns the session `session_id`; without it all tokens issued up to `before` (s since 1970), or whenever if that
    is None, except those of the session `keep_session_id`.
    """

    kind: ClassVar[str] = "revoked"

    user_id: str
    session_id: str | None = None
    before: float | None = None
    keep_session_id: str | None = None
    code: str = Code.TOKEN_REVOKED


@dataclass(frozen=True, slots=True)
class ProfileChanged(Notice):
    """The name, role or status of an account has changed: whoever remembers them reads them again."""

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
    """A user or guest is muted in the chat of a stream; `until` is None if they may write again.

    `live_id` is None for the mute of a guest who came from the network of a ban everywhere.
    `host_id` is the host of the stream, given when a mute was lifted.
    """

    kind: ClassVar[str] = "user-muted"
    version: ClassVar[int] = 2

    user_id: str
    live_id: str | None
    until: datetime | None
    host_id: str | None = None


@dataclass(frozen=True, slots=True)
class UserEvent(Notice):
    """An event for all sockets of one user on `/`, sent as `{type: event, data}`. `data` is ready for JSON."""

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
class StreamEnded(Notice):
    """A stream has ended: nobody watches it any more."""

    kind: ClassVar[str] = "stream-ended"

    stream_key: str


@dataclass(frozen=True, slots=True)
class StreamResumed(Notice):
    """A stream that had ended is live again: who is in its room watches it again."""

    kind: ClassVar[str] = "stream-resumed"

    stream_key: str


KINDS: dict[str, type[Notice]] = {
    cls.kind: cls
    for cls in (
        Revoked,
        ProfileChanged,
        UserBanned,
        UserUnbanned,
        UserMuted,
        UserEvent,
        NotificationSent,
        StreamEnded,
        StreamResumed,
    )
}

N = TypeVar("N", bound=Notice)


class NoticeSender(Protocol):
    """Sends notices to all nodes, this one included."""

    async def notify(self, notice: Notice) -> None:
        """Send a notice. Never raises."""


class NoticeSource(Protocol):
    """Receives the notices of all nodes."""

    def on_notice(self, kind: type[N], handler: Callable[[N], Awaitable[None]]) -> None:
        """Call `handler` with every notice of a kind, one at a time and in order."""


def encode(notice: Notice) -> bytes:
    """A notice as it goes over the wire."""
    return msgspec.json.encode([notice.kind, notice.version, notice])


def decode(data: bytes) -> Notice | None:
    """The notice in `data`; None for an unknown kind. Raises MalformedNotice."""
    try:
        kind, _version, fields = msgspec.json.decode(data, type=tuple[str, int, dict[str, Any]])
        known = KINDS.get(kind)
        return None if known is None else msgspec.convert(fields, known)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise MalformedNotice(str(error)) from None
