"""The types with which namespaces declare their events. Read by the pipeline and by the AsyncAPI document."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.errors import Code, Codes, codes
from gateway.keys import Room
from gateway.protocol.wire import Payload, Request
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import EVERYONE, Principal, Roles


class Limit(StrEnum):
    """The rate limits of events; their sizes are settings."""

    MESSAGE = "chat"
    EVENT = "event"
    JOIN = "join"
    REFUSED = "refused"  # invalid requests of all events


NOTHING: Codes = codes()

# What any request may be answered with.
ALWAYS = codes(Code.INVALID_PAYLOAD, Code.RATE_LIMIT_EXCEEDED, Code.INTERNAL_ERROR, Code.SERVICE_UNAVAILABLE)

TEXT = codes(Code.INVALID_MESSAGE, Code.MESSAGE_TOO_LONG)  # of a shape with a message
CREDENTIALS = codes(
    Code.AUTH_REQUIRED, Code.TOKEN_EXPIRED, Code.TOKEN_REVOKED, Code.FORBIDDEN, Code.BANNED
)  # of whatever looks at a token


@dataclass(frozen=True, slots=True)
class Route:
    """One event of a namespace: its shape, its handler, and the checks before it.

    Give either `service`, a method of a service, which takes the principal and the request; or `handler`, a method of
    the namespace, for events that change the socket itself. The documents show its return type and the first line of
    its docstring.
    """

    shape: type[Request]
    handler: Callable[[Socket, Any], Awaitable[Payload]] | None = None
    limit: Limit = Limit.EVENT
    room: Callable[[Any], Room] | None = None  # the room that must have been joined
    who: Roles = EVERYONE
    repeated: Callable[[Principal, Any], Awaitable[Payload | None]] | None = None  # returns the first answer, if any
    aside: Callable[[Any], tuple[str, Payload]] | None = None  # an event to send first to a client that asks for no ack
    service: Callable[[Principal, Any], Awaitable[Payload]] | None = None
    raises: Codes = NOTHING  # the codes of its handler's errors
    enters: Callable[[Any], Room] | None = None  # the room that a join is for
    resumes: Callable[[Any], Awaitable[bool]] | None = None  # whether a join catches up from its `since`

    @property
    def errors(self) -> Codes:
        """All codes that a request may be answered with."""
        found = ALWAYS | self.raises
        if self.room is not None:
            found |= {Code.NOT_IN_ROOM}
        if self.who != EVERYONE:
            found |= {Code.FORBIDDEN}
        return found

    @property
    def free(self) -> Callable[[Payload], bool] | None:
        """The check whether an answer is not charged: one to a repetition, or to a join that caught up."""
        if self.repeated is not None:
            return _duplicate
        return _recovered if self.resumes is not None else None

    @property
    def work(self) -> Callable[..., Awaitable[Payload]]:
        """The handler or the service's method."""
        work = self.handler or self.service
        if work is None:
            raise TypeError(f"nothing works on {self.shape.__name__}")
        return work


def _duplicate(answer: Payload) -> bool:
    return bool(getattr(answer, "duplicate", False))


def _recovered(answer: Payload) -> bool:
    return bool(getattr(answer, "recovered", False))
