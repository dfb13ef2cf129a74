"""The Socket.IO server's state of a connection, and its interface to namespaces. Used by the server."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from gateway.keys import Room
from gateway.realtime.engineio.handshake import Handshake
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal

if TYPE_CHECKING:
    import asyncio


class NamespaceHandler(Protocol):
    """A namespace, as the server uses it."""

    async def authenticate(self, handshake: Handshake, auth: Mapping[str, Any] | None) -> Principal:
        """Return the principal of a connecting client. Raises GatewayError to refuse it."""

    async def opened(self, socket: Socket) -> None:
        """Handle a new socket, whose CONNECT was answered."""

    async def check_return(self, principal: Principal, room: Room) -> None:
        """Check that a principal may still be in a room. Raises GatewayError if not."""

    async def resumed(self, socket: Socket) -> None:
        """Count a recovered socket in the rooms that it attends. Called instead of `opened`."""

    async def check_renewal(self, socket: Socket, principal: Principal) -> None:
        """Check that a socket's principal may change to this one. Raises GatewayError if not."""

    async def renew(self, socket: Socket, principal: Principal) -> None:
        """Change a socket's principal: to one of the same user, or of the account that a guest has logged in to."""

    async def handle(self, socket: Socket, args: Sequence[Any], ack_id: int | None) -> None:
        """Handle an event and answer it. `args` are its name and its arguments. Never raises."""

    async def closed(self, socket: Socket) -> None:
        """Clean up after a socket that has left its rooms; `socket.attending` still has those where it was counted.

        Called once for each socket, after its last event was answered.
        """


class Client:
    """The sockets of one connection, by namespace.

    Packets are handled one at a time, and the clean-up of a socket waits until none is being handled, so that it runs
    after the socket's last event. A lock would do the same but cost 0.7 µs per message and 200 bytes per client.
    """

    __slots__ = ("cleaner", "gone", "idle_check", "notified", "refusals", "sockets", "working")

    def __init__(self) -> None:
        self.sockets: dict[str, Socket] = {}
        self.working = False  # a packet is being handled
        self.gone: list[Socket] = []  # sockets that have ended and are not cleaned up yet
        self.cleaner: asyncio.Task[None] | None = None
        self.idle_check = False  # whether a timer is set that closes the connection if it is in no namespace
        self.notified = False  # whether `server:shutdown` was sent to its sockets
        self.refusals = 0  # CONNECTs that were refused

    @property
    def busy(self) -> bool:
        """Whether a packet or a clean-up is being handled, which may change `sockets`."""
        return self.working or self.cleaner is not None
