"""The namespace `/`: products of streams, orders, and broadcasts to everybody. Calls the storefront."""

from operator import attrgetter

from gateway.errors import Code, Forbidden, codes
from gateway.keys import ROOT, Room, admins_room, everyone_room, hosts_room, products_room
from gateway.protocol import events
from gateway.protocol.payloads import catalog, orders
from gateway.protocol.payloads.accounts import Connected
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import ADMINS, Principal, Role
from gateway.services.commerce.storefront import Storefront
from namespaces.namespace import Attendance, Namespace
from namespaces.pipeline import Shared
from namespaces.routes import Limit, Route


class RootNamespace(Namespace):
    """Products of streams, orders, and broadcasts to everybody."""

    name = ROOT
    room = staticmethod(products_room)

    def __init__(self, shared: Shared, attendance: Attendance, storefront: Storefront) -> None:
        self._storefront = storefront
        super().__init__(shared, attendance)

    def routes(self) -> dict[str, Route]:
        """Return the events of `/`."""
        return {
            events.JOIN_STREAM: Route(
                catalog.JoinStream,
                self.join,
                Limit.JOIN,
                enters=attrgetter("stream_id"),
                resumes=self._storefront.resumes,
                raises=codes(Code.NOT_FOUND),
            ),
            events.LEAVE_STREAM: Route(catalog.LeaveStream, self.leave),
            events.JOIN_ORDERS: Route(
                orders.JoinOrders,
                service=self._storefront.orders,
                limit=Limit.JOIN,
                who=ADMINS,
                resumes=self._storefront.resumes_orders,
            ),
        }

    @staticmethod
    def counts(room: Room, /) -> bool:
        """Return whether members of a room are counted; administrators are not."""
        return room != admins_room()

    async def allow(self, _principal: Principal, key: str) -> None:
        """Allow everybody into the product room of an existing stream. Raises NotFound."""
        await self._storefront.check_join(key)

    async def welcome(self, socket: Socket) -> None:
        """Greet a socket, and add it to the rooms of its role."""
        socket.send(events.CONNECTED, self.greeting(socket.principal, Connected))
        await self._enter_rooms_of_role(socket)

    async def check_return(self, principal: Principal, room: Room) -> None:
        """See Namespace."""
        if room != admins_room():
            await super().check_return(principal, room)
        elif principal.role is not Role.ADMIN:
            raise Forbidden

    async def resumed(self, socket: Socket) -> None:
        """Handle a recovered socket."""
        await super().resumed(socket)
        await self._enter_rooms_of_role(socket)

    async def renew(self, socket: Socket, principal: Principal) -> None:
        """See Namespace. The role may have changed."""
        await super().renew(socket, principal)
        await self._enter_rooms_of_role(socket)

    async def join(self, socket: Socket, request: catalog.JoinStream) -> catalog.StreamJoined:
        """`join:stream`: join the product room of a stream, and return its products."""
        key = request.stream_id
        return await self.enter(socket, key, lambda _: self._storefront.snapshot(key, request.since))

    async def leave(self, socket: Socket, request: catalog.LeaveStream) -> catalog.StreamLeft:
        """`leave:stream`: leave the product room of a stream."""
        await self.depart(socket, request.stream_id)
        return catalog.StreamLeft(room=self.room(request.stream_id).name)

    async def _enter_rooms_of_role(self, socket: Socket) -> None:
        """Add a socket to the room of everybody, and to that of administrators or of its host; leave the others."""
        await socket.enter(everyone_room())
        if socket.principal.authenticated:
            own = hosts_room(socket.principal.user_id)
            if socket.principal.role is Role.HOST:
                await socket.enter(own)
            else:
                socket.leave(own)
        room = admins_room()
        if socket.principal.role is not Role.ADMIN:
            socket.leave(room)
            socket.unattend(room)
        elif room not in socket.attending:
            await socket.enter(room)
            socket.attend(room)
