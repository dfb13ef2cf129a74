"""The interfaces between the engine, its connections and their transports, and the reasons for closing."""

from typing import TYPE_CHECKING, Final, Literal, Protocol

from gateway.realtime.engineio.options import EngineOptions
from gateway.realtime.engineio.tick import MessageTasks
from gateway.realtime.engineio.timer_wheel import TimerWheel
from gateway.realtime.engineio.transports.frame import Frame
from gateway.realtime.engineio.turns import SpreadCalls, Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.realtime.engineio.connection import Connection

TransportName = Literal["polling", "websocket"]

# Why a connection ended: metric labels, and the reason passed to the layer above. The first four are Socket.IO's.
CLIENT_LEFT: Final = "transport close"
TRANSPORT_ERROR: Final = "transport error"
PING_TIMEOUT: Final = "ping timeout"
PARSE_ERROR: Final = "parse error"
CONNECT_TIMEOUT: Final = "connect timeout"
SLOW_CLIENT: Final = "slow client"
DUPLICATE_POLL: Final = "duplicate poll"
DUPLICATE_POST: Final = "duplicate post"
OVERSIZE: Final = "too large"
FLOOD: Final = "flood"  # of pings and pongs
INTERNAL_ERROR: Final = "internal error"
UNAVAILABLE: Final = "unavailable"


class Transport(Protocol):
    """Polling or websocket, as its connection uses it. No method waits or raises; packets after the end are dropped."""

    def push(self, packet: str) -> None:
        """Send one Engine.IO packet at the end of the tick."""

    def push_frame(self, frame: Frame) -> None:
        """Send a frame that connections share, at the end of the tick."""

    def write_frame(self, frame: Frame) -> None:
        """Send a frame that connections share, immediately if nothing is queued."""

    def ping(self) -> None:
        """Send a ping, before queued packets if the transport can."""

    def pause_reading(self) -> None:
        """Stop reading from the client until `resume_reading`."""

    def resume_reading(self) -> None:
        """Read from the client again."""

    def failure(self, now: float) -> str | None:
        """Return the reason to drop the client if it does not read or has disconnected, else None."""

    def check_at(self, now: float) -> float | None:
        """Return when to call `failure` again; None if there is no need."""

    def end(self, last: str, code: int, grace: float) -> None:
        """Send what is queued, the packet `last` and a websocket close frame with `code`; tear down after `grace` s."""

    def abort(self) -> None:
        """Tear down immediately."""


class TransportListener(Protocol):
    """Receives the packets and events of a transport."""

    def received(self, packet: str) -> None:
        """Handle one Engine.IO packet, not validated yet."""

    def controlled(self) -> None:
        """Count a websocket ping or pong frame of the client."""

    def violated(self, code: int, reason: str) -> None:
        """End the transport with this websocket close code: the client violated the protocol."""

    def reschedule(self) -> None:
        """Recompute the next deadline: the answer of `check_at` has changed."""

    def lost(self, reason: str) -> None:
        """Handle the loss of the transport, by the client or by an abort."""


class Engine(Protocol):
    """The part of the server that connections use. Implemented by EngineServer."""

    options: EngineOptions
    wheel: TimerWheel
    turns: Turns
    losses: SpreadCalls
    tasks: MessageTasks
    closing: bool  # messages of clients are ignored

    on_message: "Callable[[Connection, str], Awaitable[None]]"  # hands a message to the layer above

    def upgraded(self, connection: "Connection") -> None:
        """Record that a connection has upgraded to a websocket."""

    def ended(self, connection: "Connection", reason: str, linger: float) -> None:
        """Forget a closed connection; called once. A poll may fetch its last packets for `linger` s more."""


class NullListener:
    """Ignores events after the end; breaks the reference cycle between a transport and its connection."""

    def received(self, packet: str) -> None:
        """Ignored."""

    def controlled(self) -> None:
        """Ignored."""

    def violated(self, code: int, reason: str) -> None:
        """Ignored."""

    def reschedule(self) -> None:
        """Ignored."""

    def lost(self, reason: str) -> None:
        """Ignored."""


NULL_LISTENER: Final = NullListener()
