"""The namespace `/streaming`: viewers of streams, and their hearts. Calls the services of both."""

from functools import partial
from operator import attrgetter

from gateway.errors import Code, codes
from gateway.keys import STREAMING, Room, viewers_room
from gateway.protocol import events
from gateway.protocol.payloads import streaming
from gateway.protocol.wire import Typed
from gateway.realtime.presence.presence import Census
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal
from gateway.services.streams.hearts import Hearts
from gateway.services.streams.viewers import Viewers
from namespaces.namespace import Namespace
from namespaces.pipeline import Shared
from namespaces.routes import Limit, Route


class StreamingNamespace(Namespace):
    """Viewers of streams, and the starts and ends of streams."""

    name = STREAMING
    room = staticmethod(viewers_room)

    def __init__(self, shared: Shared, viewers: Viewers, hearts: Hearts) -> None:
        self._viewers = viewers
        self._hearts = hearts
        super().__init__(shared, viewers)

    def routes(self) -> dict[str, Route]:
        """Return the events of `/streaming`."""
        return {
            events.STREAM_VIEWER_JOIN: Route(
                streaming.ViewerJoin,
                self.join,
                Limit.JOIN,
                enters=attrgetter("stream_key"),
                resumes=self._viewers.resumes,
                raises=codes(Code.NOT_FOUND),
            ),
            events.STREAM_VIEWER_LEAVE: Route(streaming.ViewerLeave, self.leave),
            events.STREAM_HEART: Route(streaming.SendHearts, room=attrgetter("stream_key"), service=self._hearts.send),
        }

    async def allow(self, _principal: Principal, key: str) -> None:
        """Allow everybody to watch an existing stream. Raises NotFound."""
        await self._viewers.check_join(key)

    async def counted_again(self, socket: Socket, room: Room) -> Census:
        """See Namespace. Counts have no place in a log, so the socket is sent the present one."""
        census = await super().counted_again(socket, room)
        update = streaming.ViewerUpdate(stream_key=room.key, viewer_count=census.count)
        event = events.STREAM_VIEWER_UPDATE
        socket.send(event, Typed(type=event, data=update), room)
        return census

    async def join(self, socket: Socket, request: streaming.ViewerJoin) -> streaming.ViewerJoined:
        """`stream:viewer:join`: join the viewers of a stream."""
        key = request.stream_key
        return await self.enter(socket, key, partial(self._viewers.snapshot, key, request.since))

    async def leave(self, socket: Socket, request: streaming.ViewerLeave) -> streaming.ViewerLeft:
        """`stream:viewer:leave`: leave the viewers of a stream."""
        census = await self.depart(socket, request.stream_key)
        return streaming.ViewerLeft(stream_key=request.stream_key, viewer_count=census.count)
