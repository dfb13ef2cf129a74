"""`/`: the products of a stream, and what concerns every socket. Called through the pipeline; calls the storefront."""

from gateway.keys import ROOT, everyone_room, products_room
from gateway.protocol import catalog, events
from gateway.protocol.identity import Connected
from gateway.realtime.socket import Socket
from gateway.security.principal import Principal
from gateway.services.storefront import Storefront
from namespaces.attending import Attendance, AttendedNamespace
from namespaces.base import Limit, Pipeline, Route


class RootNamespace(AttendedNamespace):
    """Following the products of a stream."""

    name = ROOT
    room = staticmethod(products_room)

    def __init__(self, pipeline: Pipeline, attendance: Attendance, storefront: Storefront) -> None:
        self._storefront = storefront
        super().__init__(pipeline, attendance)

    def routes(self) -> dict[str, Route]:
        """The events of `/`."""
        return {
            events.JOIN_STREAM: Route(catalog.JoinStream, self.join, Limit.JOIN),
            events.LEAVE_STREAM: Route(catalog.LeaveStream, self.leave, Limit.JOIN),
        }

    async def allow(self, _principal: Principal, key: str) -> None:
        """Whoever is connected may follow every stream."""
        await self._storefront.admit(key)

    async def welcome(self, socket: Socket) -> None:
        """Tell a socket who it is, and let it hear what everybody hears."""
        who = socket.principal
        hello = Connected(message="Connected", user_id=who.user_id, role=who.role, authenticated=who.authenticated)
        socket.send(events.CONNECTED, hello)
        await socket.enter(everyone_room())

    async def resumed(self, socket: Socket) -> None:
        """A socket is back."""
        await super().resumed(socket)
        await socket.enter(everyone_room())

    async def join(self, socket: Socket, ask: catalog.JoinStream) -> catalog.StreamJoined:
        """`join:stream`."""
        return await self.enter(socket, ask.stream_id, lambda _: self._storefront.snapshot(ask.stream_id, ask.since))

    async def leave(self, socket: Socket, ask: catalog.LeaveStream) -> catalog.StreamLeft:
        """`leave:stream`."""
        await self.depart(socket, ask.stream_id)
        return catalog.StreamLeft(room=self.room(ask.stream_id).name)
