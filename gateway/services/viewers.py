"""Who watches a stream, as distinct people over tabs and nodes. Called by the `/streaming` namespace."""

from typing import Protocol

from gateway.connections.database import Database
from gateway.errors import NotFound, Unavailable
from gateway.keys import STREAMING, Room, viewers_room
from gateway.protocol import events
from gateway.protocol.streaming import ViewerJoined, ViewerLeft, ViewerUpdate
from gateway.protocol.wire import Payload, Typed
from gateway.realtime.presence import Callback, Census, Moved
from gateway.security.principal import Principal
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

    async def joined(self, principal: Principal, key: str, first: bool) -> ViewerJoined:
        """A socket watches; `first`: it was not counted yet. Raises NotFound, Unavailable."""
        if first:
            census = await self.returned(principal, key)
        else:
            census = await self._presence.census(viewers_room(key))
        stream = await self._stream(key)
        return ViewerJoined(
            stream_key=key,
            viewer_count=census.count,
            peak_viewers=max(census.peak, stream.peak_viewers),
            live=stream.status == StreamStatus.LIVE,
        )

    async def returned(self, principal: Principal, key: str) -> Census:
        """A socket is counted, for the first time or after it lost its connection. Never raises."""
        census = await self._presence.enter(viewers_room(key), principal.user_id)
        self._due(key, census, at_once=census.count == 1)
        return census

    async def departed(self, principal: Principal, key: str) -> ViewerLeft:
        """A socket that was counted watches no more. Never raises."""
        census = await self._presence.leave(viewers_room(key), principal.user_id)
        self._due(key, census, at_once=census.count == 0)
        return ViewerLeft(stream_key=key, viewer_count=census.count)

    async def became(self, before: Principal, after: Principal, key: str) -> None:
        """A socket that was counted is somebody else's from now on. Never raises."""
        moved = await self._presence.become(viewers_room(key), before.user_id, after.user_id)
        self._due(key, moved.census, at_once=False)

    async def count(self, key: str) -> ViewerLeft:
        """How many watch, for a socket that did not. Never raises."""
        census = await self._presence.census(viewers_room(key))
        return ViewerLeft(stream_key=key, viewer_count=census.count)

    async def _changed(self, room: Room, census: Census) -> None:
        if room.namespace == STREAMING:
            self._updates.due(room.name.partition(":")[2], at_once=census.count == 0)

    def _due(self, key: str, census: Census, *, at_once: bool) -> None:
        if census.changed:
            self._updates.due(key, at_once=at_once)

    async def _tell(self, key: str) -> None:
        room = viewers_room(key)
        census = await self._presence.census(room)
        update = ViewerUpdate(stream_key=key, viewer_count=census.count)
        event = events.STREAM_VIEWER_UPDATE
        await self._fanout.publish(room, event, Typed(type=event, data=update))
        await self._store_peak(key, census.peak)

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
