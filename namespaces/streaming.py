"""`/streaming`: who watches. The Socket.IO server calls it through the pipeline; it calls the viewers service."""

from functools import partial

from gateway.keys import STREAMING, viewers_room
from gateway.protocol import events, streaming
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal
from gateway.services.streams.viewers import Viewers
from namespaces.base import Pipeline
from namespaces.room_namespace import RoomNamespace
from namespaces.routes import Limit, Route


class StreamingNamespace(RoomNamespace):
    """Viewers come and go."""

    name = STREAMING
    room = staticmethod(viewers_room)

    def __init__(self, pipeline: Pipeline, viewers: Viewers) -> None:
        self._viewers = viewers
        super().__init__(pipeline, viewers)

    def routes(self) -> dict[str, Route]:
        """The events of `/streaming`."""
        return {
            events.STREAM_VIEWER_JOIN: Route(
                streaming.ViewerJoin,
                self.join,
                Limit.JOIN,
                enters=lambda ask: viewers_room(ask.stream_key),
                resumes=self._viewers.resumes,
            ),
            events.STREAM_VIEWER_LEAVE: Route(streaming.ViewerLeave, self.leave),
        }

    async def allow(self, _principal: Principal, key: str) -> None:
        """Whoever is connected may watch every stream."""
        await self._viewers.check_join(key)

    async def join(self, socket: Socket, ask: streaming.ViewerJoin) -> streaming.ViewerJoined:
        """`stream:viewer:join`: watch a stream, and be counted."""
        return await self.enter(socket, ask.stream_key, partial(self._viewers.snapshot, ask.stream_key, ask.since))

    async def leave(self, socket: Socket, ask: streaming.ViewerLeave) -> streaming.ViewerLeft:
        """`stream:viewer:leave`: watch it no more."""
        census = await self.depart(socket, ask.stream_key)
        return streaming.ViewerLeft(stream_key=ask.stream_key, viewer_count=census.count)
