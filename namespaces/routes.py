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
    """One event of a namespace: its shape, its handler, and what must hold before the handler is called."""

    shape: type[Request]
    handler: Callable[[Socket, Any], Awaitable[Payload]]
    limit: Limit = Limit.EVENT
    room: Callable[[Any], Room] | None = None  # must have been joined
    who: Roles = EVERYONE
    repeated: Callable[[Principal, Any], Awaitable[Payload | None]] | None = None  # the answer given earlier, if any
    aside: Callable[[Any], tuple[str, Payload]] | None = None  # an event told first to a client that asked for no ack
