"""`/`: the products of a stream, and what concerns every socket. Called through the pipeline; calls the storefront."""

from gateway.keys import ROOT, Room, everyone_room, products_room
from gateway.protocol import catalog, events
from gateway.protocol.identity import Connected
from gateway.realtime.socket import Socket
from gateway.security.principal import Principal
from gateway.services.storefront import Storefront
from namespaces.base import Limit, Namespace, Pipeline, Route


class RootNamespace(Namespace):
    """Following the products of a stream."""

    name = ROOT

    def __init__(self, pipeline: Pipeline, storefront: Storefront) -> None:
        self._storefront = storefront
        super().__init__(pipeline)

    def routes(self) -> dict[str, Route]:
        """The events of `/`."""
        return {
            events.JOIN_STREAM: Route(catalog.JoinStream, self.join, Limit.JOIN),
            events.LEAVE_STREAM: Route(catalog.LeaveStream, self.leave, Limit.JOIN),
        }

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

    async def farewell(self, socket: Socket) -> None:
        """Take a socket that is gone out of the rooms it was counted in."""
        for room, who in socket.attending.items():
            await self._storefront.departed(who, room.name.removeprefix("stream:"))

    async def readmit(self, _principal: Principal, room: Room) -> None:
        """Whether somebody may still be in a room where they were. Raises GatewayError."""
        await self._storefront.admit(room.name.removeprefix("stream:"))

    async def count(self, socket: Socket, room: Room) -> None:
        """Count a socket that is back in a room."""
        await self._storefront.returned(socket.principal, room.name.removeprefix("stream:"))

    async def recount(self, socket: Socket, room: Room) -> None:
        """Count a socket that has become somebody else as who it is now."""
        before, after = socket.reattend(room)
        await self._storefront.became(before, after, room.name.removeprefix("stream:"))

    async def join(self, socket: Socket, ask: catalog.JoinStream) -> catalog.StreamJoined:
        """`join:stream`. The room is heard before its products are read, so that no change falls between the two."""
        await self._storefront.admit(ask.stream_id)
        room = products_room(ask.stream_id)
        await socket.enter(room)
        return await self._storefront.joined(socket.principal, ask.stream_id, ask.since, socket.attend(room))

    async def leave(self, socket: Socket, ask: catalog.LeaveStream) -> catalog.StreamLeft:
        """`leave:stream`."""
        room = products_room(ask.stream_id)
        socket.leave(room)
        if (who := socket.unattend(room)) is not None:
            await self._storefront.departed(who, ask.stream_id)
        return catalog.StreamLeft(room=room.name)
