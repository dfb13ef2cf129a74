"""Who watches a stream, as distinct people over tabs and nodes. Called by the `/streaming` namespace."""

from typing import Protocol

from gateway.connections.database import Database
from gateway.errors import NotFound, Unavailable
from gateway.keys import STREAMING, Room
from gateway.protocol import events
from gateway.protocol.streaming import ViewerJoined, ViewerUpdate
from gateway.protocol.wire import Payload, Typed
from gateway.realtime.presence import Callback, Census, Moved
from gateway.services.pace import Paced
from models.stream import Stream, StreamStatus

INTERVAL = 1.0  # s between two updates of a stream from one node


class Presence(Protocol):
    """Counts distinct people over all nodes. Never raises."""

    async def enter(self, room: Room, who: str) -> Census: ...
    async def leave(self, room: Room, who: str) -> Census: ...
    async def become(self, room: Room, before: str, after: str) -> Moved: ...
    async def census(self, room: Room) -> Census: ...
    def on_change(self, callback: Callback) -> None: ...


class Fanout(Protocol):
    """Broadcasts. Never raises."""

    async def publish(self, room: Room, event: str, payload: Payload) -> None: ...


class Viewers:
    """Counts viewers and tells those who watch: at once when the first comes or the last goes, else once a second."""

    def __init__(self, database: Database, presence: Presence, fanout: Fanout) -> None:
        self._database = database
        self._presence = presence
        self._fanout = fanout
        self._updates = Paced(INTERVAL, self._tell, "viewers")
        presence.on_change(self._changed)

    async def close(self) -> None:
        """Tell what is due and end."""
        await self._updates.close()

    async def admit(self, key: str) -> None:
        """Whether a stream can be watched. Raises NotFound, Unavailable."""
        await self._stream(key)

    async def snapshot(self, key: str, census: Census) -> ViewerJoined:
        """A stream as a socket finds it that watches by now. Raises NotFound, Unavailable."""
        stream = await self._stream(key)
        return ViewerJoined(
            stream_key=key,
            viewer_count=census.count,
            peak_viewers=max(census.peak, stream.peak_viewers),
            live=stream.status == StreamStatus.LIVE,
        )

    async def entered(self, room: Room, user_id: str) -> Census:
        """One more socket of somebody watches, unless this is cancelled. Never raises."""
        census = await self._presence.enter(room, user_id)
        self._due(room, census, at_once=census.count == 1)
        return census

    async def left(self, room: Room, user_id: str) -> Census:
        """One socket less of somebody, also when this is cancelled. Never raises."""
        census = await self._presence.leave(room, user_id)
        self._due(room, census, at_once=census.count == 0)
        return census

    async def became(self, room: Room, before: str, after: str) -> None:
        """A socket of `before` is one of `after` from now on, also when this is cancelled. Never raises."""
        moved = await self._presence.become(room, before, after)
        self._due(room, moved.census, at_once=False)

    async def census(self, room: Room) -> Census:
        """How many watch. Never raises."""
        return await self._presence.census(room)

    async def _changed(self, room: Room, census: Census) -> None:
        if room.namespace == STREAMING:
            self._updates.due(room, at_once=census.count == 0)

    def _due(self, room: Room, census: Census, *, at_once: bool) -> None:
        if census.changed:
            self._updates.due(room, at_once=at_once)

    async def _tell(self, room: Room) -> None:
        census = await self._presence.census(room)
        update = ViewerUpdate(stream_key=room.key, viewer_count=census.count)
        event = events.STREAM_VIEWER_UPDATE
        await self._fanout.publish(room, event, Typed(type=event, data=update))
        await self._store_peak(room.key, census.peak)

    async def _store_peak(self, key: str, peak: int) -> None:
        try:
            async with self._database.guard("viewers.peak"):
                await Stream.filter(key=key, peak_viewers__lt=peak).update(peak_viewers=peak)
        except Unavailable:
            return  # Redis has it; the next update stores it

    async def _stream(self, key: str) -> Stream:
        async with self._database.guard("viewers.stream"):
            stream = await Stream.get_or_none(key=key)
        if stream is None:
            raise NotFound("There is no such stream")
        return stream
