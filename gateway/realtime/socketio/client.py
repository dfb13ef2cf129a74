"""What the Socket.IO server holds of a connection, and what it needs of a namespace. Used by server."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from gateway.keys import Room
from gateway.realtime.engineio.handshake import Handshake
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal

if TYPE_CHECKING:
    import asyncio


class NamespaceHandler(Protocol):
    """A namespace, as the server needs it."""

    async def authenticate(self, handshake: Handshake, auth: Mapping[str, Any] | None) -> Principal:
        """Who is connecting. Raises GatewayError, and then they do not."""

    async def opened(self, socket: Socket) -> None:
        """A socket was connected: greet it."""

    async def readmit(self, principal: Principal, room: Room) -> None:
        """Whether somebody may still be in a room where they were. Raises GatewayError."""

    async def resumed(self, socket: Socket) -> None:
        """A socket is back in the rooms that it attends: count it there. It is not greeted again."""

    async def check_renewal(self, socket: Socket, principal: Principal) -> None:
        """Whether a socket may go on as another principal. Raises GatewayError."""

    async def renew(self, socket: Socket, principal: Principal) -> None:
        """A socket goes on as another principal: of the same user, or of the member that a guest has become."""

    async def handle(self, socket: Socket, args: Sequence[Any], ack_id: int | None) -> None:
        """An event: `args` is its name and what came with it. Answers by itself, raises nothing."""

    async def closed(self, socket: Socket) -> None:
        """A socket is gone and in no room any more; what it was counted in is still in `socket.attending`.

        Called once a socket, after its last event was answered.
        """


class Client:
    """What one connection holds: its sockets, by namespace.

    Its packets come one after the other, and cleaning up after a socket waits until none is worked on: so it never
    overtakes the socket's own last event. A lock would say the same and cost every message 0.7 µs and every client
    200 bytes.
    """

    __slots__ = ("cleaner", "gone", "idle_check", "refusals", "sockets", "working")

    def __init__(self) -> None:
        self.sockets: dict[str, Socket] = {}
        self.working = False  # on a packet
        self.gone: list[Socket] = []  # ended, and not cleaned up after yet
        self.cleaner: asyncio.Task[None] | None = None
        self.idle_check = False  # whether a timer is set that closes the connection if it is in no namespace
        self.refusals = 0  # CONNECTs that were refused

    @property
    def busy(self) -> bool:
        """Whether something is under way that may change what it holds."""
        return self.working or self.cleaner is not None
