"""What an engine, its connections and their transports know of each other. Implemented by all of them."""

from typing import TYPE_CHECKING, Final, Literal, Protocol

from gateway.realtime.engineio.frame import Frame
from gateway.realtime.engineio.options import EngineOptions
from gateway.realtime.engineio.timer_wheel import TimerWheel
from gateway.realtime.engineio.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.realtime.engineio.connection import Connection

TransportName = Literal["polling", "websocket"]

# Why a connection ended: labels of a metric and what the layer above is told. The first four are Socket.IO's own words.
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
    """A transport, as its connection sees it. Nothing here waits or raises; what cannot be sent any more is dropped."""

    def push(self, packet: str) -> None:
        """Send one Engine.IO packet at the end of the tick."""

    def push_frame(self, frame: Frame) -> None:
        """The same for a packet shared between connections."""

    def write_frame(self, frame: Frame) -> None:
        """The same at once if nothing waits."""

    def ping(self) -> None:
        """Send a ping, before whatever still waits."""

    def pause_reading(self) -> None:
        """Take nothing from the client until told to go on."""

    def resume_reading(self) -> None:
        """Go on."""

    def trouble(self, now: float) -> str | None:
        """A reason to drop the client: it takes nothing, or it is gone."""

    def check_at(self, now: float) -> float | None:
        """When to look for trouble again; None: no need to."""

    def end(self, last: str, code: int, grace: float) -> None:
        """Send what waits, the packet `last`, and a websocket close frame with `code`; tear down after `grace` s."""

    def abort(self) -> None:
        """Tear down at once."""


class Listener(Protocol):
    """Who hears what a transport gets."""

    def received(self, packet: str) -> None:
        """One Engine.IO packet, not yet looked at."""

    def controlled(self) -> None:
        """The client sent a ping of the transport itself, or an unexpected pong."""

    def violated(self, code: int, reason: str) -> None:
        """The client broke the rules of the transport: end it, with this websocket close code."""

    def strained(self) -> None:
        """The client takes less than it gets: look at it soon."""

    def lost(self, reason: str) -> None:
        """The transport is gone, or is given up."""


class Host(Protocol):
    """The engine, as its connections need it."""

    options: EngineOptions
    wheel: TimerWheel
    turns: Turns
    closing: bool  # what still comes from clients is ignored

    on_message: "Callable[[Connection, str], Awaitable[None]]"  # hands a message to the layer above

    def work(self, connection: "Connection") -> None:
        """Have `connection.work()` run by a task, soon."""

    def changed(self, connection: "Connection") -> None:
        """The transport is another one now."""

    def ended(self, connection: "Connection", reason: str, linger: float) -> None:
        """The connection is over. Called once. For `linger` s more a poll may fetch what it was sent last."""


class NullListener:
    """Hears what comes after the end; cuts the ring of references between a transport and its connection."""

    def received(self, packet: str) -> None:
        """Ignored."""

    def controlled(self) -> None:
        """Ignored."""

    def violated(self, code: int, reason: str) -> None:
        """Ignored."""

    def strained(self) -> None:
        """Ignored."""

    def lost(self, reason: str) -> None:
        """Ignored."""


NULL_LISTENER: Final = NullListener()
