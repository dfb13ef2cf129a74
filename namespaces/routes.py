"""What a namespace declares: a row for each of its events. Read by the pipeline, and by what documents the events."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.keys import Room
from gateway.protocol.wire import Payload, Request
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import EVERYONE, Principal, Roles


class Limit(StrEnum):
    """Which allowance an event is charged to; their sizes are settings."""

    MESSAGE = "chat"
    EVENT = "event"
    JOIN = "join"
    REFUSED = "refused"  # requests that do not fit, whatever they ask for


@dataclass(frozen=True, slots=True)
class Route:
    """One event of a namespace: its shape, what works on it, and what must hold before that is called.

    Either `service`, a service's method, which takes the principal and the request; or `handler`, a method of the
    namespace, for what changes the socket itself. Its annotated return type and the first line of its docstring are
    what the documents say of the event.
    """

    shape: type[Request]
    handler: Callable[[Socket, Any], Awaitable[Payload]] | None = None
    limit: Limit = Limit.EVENT
    room: Callable[[Any], Room] | None = None  # must have been joined
    who: Roles = EVERYONE
    repeated: Callable[[Principal, Any], Awaitable[Payload | None]] | None = None  # the answer given earlier, if any
    aside: Callable[[Any], tuple[str, Payload]] | None = None  # an event sent first to a client that asked for no ack
    service: Callable[[Principal, Any], Awaitable[Payload]] | None = None
    enters: Callable[[Any], Room] | None = None  # which room a join is for
    resumes: Callable[[Any], Awaitable[bool]] | None = None  # whether a join catches up by its `since`

    @property
    def free(self) -> Callable[[Payload], bool] | None:
        """Whether an answer is of something that is not charged: a repetition, or a join that caught up."""
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
