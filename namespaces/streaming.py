"""`/streaming`: who watches. The Socket.IO server calls it through the pipeline; it calls the viewers service."""

from gateway.keys import STREAMING, Room, viewers_room
from gateway.protocol import events, streaming
from gateway.realtime.socket import Socket
from gateway.security.principal import Principal
from gateway.services.viewers import Viewers
from namespaces.base import Limit, Namespace, Pipeline, Route, greeting


class StreamingNamespace(Namespace):
    """Viewers come and go."""

    name = STREAMING

    def __init__(self, pipeline: Pipeline, viewers: Viewers) -> None:
        self._viewers = viewers
        super().__init__(pipeline)

    def routes(self) -> dict[str, Route]:
        """The events of `/streaming`."""
        return {
            events.STREAM_VIEWER_JOIN: Route(streaming.ViewerJoin, self.join, Limit.JOIN),
            events.STREAM_VIEWER_LEAVE: Route(streaming.ViewerLeave, self.leave, Limit.JOIN),
        }

    async def welcome(self, socket: Socket) -> None:
        """Tell a socket who it is."""
        socket.send(events.CONNECTION_SUCCESS, greeting(socket))

    async def farewell(self, socket: Socket) -> None:
        """Count a socket that is gone out of what it watched."""
        for room, who in socket.attending.items():
            await self._viewers.departed(who, room.name.removeprefix("stream:"))

    async def readmit(self, _principal: Principal, room: Room) -> None:
        """Whether somebody may still be in a room where they were. Raises GatewayError."""
        await self._viewers.admit(room.name.removeprefix("stream:"))

    async def count(self, socket: Socket, room: Room) -> None:
        """Count a socket that is back in a room."""
        await self._viewers.returned(socket.principal, room.name.removeprefix("stream:"))

    async def recount(self, socket: Socket, room: Room) -> None:
        """Count a socket that has become somebody else as who it is now."""
        before, after = socket.reattend(room)
        await self._viewers.became(before, after, room.name.removeprefix("stream:"))

    async def join(self, socket: Socket, ask: streaming.ViewerJoin) -> streaming.ViewerJoined:
        """`stream:viewer:join`."""
        await self._viewers.admit(ask.stream_key)
        room = viewers_room(ask.stream_key)
        await socket.enter(room)
        return await self._viewers.joined(socket.principal, ask.stream_key, socket.attend(room))

    async def leave(self, socket: Socket, ask: streaming.ViewerLeave) -> streaming.ViewerLeft:
        """`stream:viewer:leave`."""
        room = viewers_room(ask.stream_key)
        socket.leave(room)
        if (who := socket.unattend(room)) is not None:
            return await self._viewers.departed(who, ask.stream_key)
        return await self._viewers.count(ask.stream_key)
