"""The types with which namespaces declare their events. Read by the pipeline and by the AsyncAPI document."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.errors import Code, Codes, codes
from gateway.protocol.wire import Payload, Request
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import EVERYONE, Principal, Roles


class Limit(StrEnum):
    """The rate limits of events; their sizes are settings."""

    MESSAGE = "chat"
    EVENT = "event"
    JOIN = "join"
    REPORT = "report"
    REFUSED = "refused"  # invalid requests of all events


NOTHING: Codes = codes()

# The codes with which any request may be answered.
ALWAYS = codes(Code.INVALID_PAYLOAD, Code.RATE_LIMIT_EXCEEDED, Code.INTERNAL_ERROR, Code.SERVICE_UNAVAILABLE)

TEXT = codes(Code.INVALID_MESSAGE, Code.MESSAGE_TOO_LONG)  # for a shape with a message
CREDENTIALS = codes(
    Code.AUTH_REQUIRED, Code.TOKEN_EXPIRED, Code.TOKEN_REVOKED, Code.FORBIDDEN, Code.BANNED
)  # for a handler that checks a token


async def _no_handler(_socket: Socket, request: Request) -> Payload:
    raise TypeError(f"nothing handles {type(request).__name__}")


@dataclass(frozen=True, slots=True)
class Route:
    """One event of a namespace: its shape, its handler, and the checks before it.

    Give either `service`, a method of a service, which takes the principal and the request; or `handler`, a method of
    the namespace, for events that change the socket itself. The documents show its return type and the first line of
    its docstring.
    """

    shape: type[Request]
    handler: Callable[[Socket, Any], Awaitable[Payload]] = _no_handler
    limit: Limit = Limit.EVENT
    room: Callable[[Any], str] | None = None  # the stream key of the room that must have been joined
    who: Roles = EVERYONE
    repeated: Callable[[Principal, Any], Awaitable[Payload | None]] | None = None  # returns the first answer, if any
    aside: Callable[[Any], tuple[str, Payload]] | None = None  # an event to send first to a client that asks for no ack
    service: Callable[[Principal, Any], Awaitable[Payload]] | None = None
    raises: Codes = NOTHING  # the codes of its handler's errors
    enters: Callable[[Any], str] | None = None  # the stream key of the room that a join is for
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
    def work(self) -> Callable[..., Awaitable[Payload]]:
        """The handler or the service's method."""
        return self.service or self.handler
