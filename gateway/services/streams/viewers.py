"""Who watches a stream, as distinct people over tabs and nodes. Called by the `/streaming` namespace."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from gateway.concurrency.tasks import cancel
from gateway.errors import NotFound, Unavailable
from gateway.keys import STREAMING, Room, viewers_room
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.streaming import ViewerJoined, ViewerUpdate
from gateway.protocol.wire import Since, Typed
from gateway.realtime.fanout.fanout import Fanout
from gateway.realtime.notices import StreamEnded, StreamResumed
from gateway.realtime.presence.presence import Census, Presence
from gateway.services.rooms.catch_up import CatchUp
from gateway.services.rooms.log import RoomLog
from gateway.services.streams.audience import Audience
from gateway.services.streams.streams import OVER
from gateway.services.streams.throttle import Throttle
from models.main.stream import Stream, StreamStatus

log = structlog.get_logger()

STORE = 1.0  # s between two stores of peaks and totals
CHECK = 5  # stores between two looks for streams whose end this node has not heard of


class Viewers:
    """Counts viewers and tells those who watch: at once when the first comes or the last goes, else once a second.

    A stream that has ended has none: sockets in its room are counted again once the stream is resumed.
    `attendees` answers the ids of the people in a room on this node, one for each socket.
    """

    def __init__(
        self,
        database: Database,
        log: RoomLog,
        presence: Presence,
        fanout: Fanout,
        attendees: Callable[[Room], Sequence[str]],
    ) -> None:
        self._database = database
        self._catch_up = CatchUp(log)
        self._attendees = attendees
        self._over: set[Room] = set()  # rooms in which sockets of this node may not be counted
        self._presence = presence
        self._fanout = fanout
        self._audience = Audience(database)
        self._updates = Throttle(presence, self._tell, "viewers")
        self._task: asyncio.Task[None] | None = None
        presence.on_change(self._changed)

    def start(self) -> None:
        """Begin to store what is to be kept."""
        self._task = asyncio.create_task(self._run(), name="viewers-store")

    async def close(self) -> None:
        """Publish and store what is pending, and stop."""
        await self._catch_up.close()
        await self._updates.close()
        await cancel(self._task)
        with suppress(Unavailable):
            await self._audience.store()

    # --- who watches --------------------------------------------------------------------------------------------------

    async def check_join(self, key: str) -> None:
        """Whether a stream can be watched. Raises NotFound, Unavailable."""
        if (await self._stream(key)).status in OVER:
            await self._end(viewers_room(key))  # before anybody is counted there, also if Redis knows nothing of it

    async def snapshot(self, key: str, since: Since | None, census: Census) -> ViewerJoined:
        """A stream as a socket finds it that watches by now, with what it missed. Raises NotFound, Unavailable."""
        cursor, missed = await self._catch_up.position(viewers_room(key), since)
        stream = await self._stream(key)  # after the cursor, so that it is not older
        peak = max(census.peak, stream.peak_viewers)
        return ViewerJoined(
            stream_key=key,
            viewer_count=0 if stream.status in OVER else census.count,
            peak_viewers=peak,
            total_viewers=max(peak, stream.total_viewers),
            live=stream.status == StreamStatus.LIVE,
            cursor=cursor,
            recovered=missed is not None,
            events=missed,
        )

    async def entered(self, room: Room, user_id: str) -> Census:
        """One more socket of somebody watches, unless this is cancelled. Never raises."""
        census = await self._presence.enter(room, user_id)
        if census.count:
            self._audience.came(room.key, user_id)
        else:
            self._over.add(room)
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
        if moved.census.count:
            self._audience.came(room.key, after)
        if moved.gone:
            self._audience.was_not(room.key, before)
        self._due(room, moved.census, at_once=False)

    async def census(self, room: Room) -> Census:
        """How many watch. Never raises."""
        return await self._presence.census(room)

    async def ended(self, notice: StreamEnded) -> None:
        """A stream has ended: it has no viewers any more."""
        await self._settle(notice.stream_key)

    async def resumed(self, notice: StreamResumed) -> None:
        """A stream is live again: count the sockets in its room."""
        await self._settle(notice.stream_key)

    # --- what viewers hear -------------------------------------------------------------------------------------------

    async def _changed(self, room: Room, census: Census) -> None:
        if room.namespace == STREAMING:
            self._updates.due(room, at_once=census.count == 0)

    def _due(self, room: Room, census: Census, *, at_once: bool) -> None:
        if census.changed:
            self._updates.due(room, at_once=at_once)

    async def _tell(self, room: Room, census: Census) -> None:
        update = ViewerUpdate(stream_key=room.key, viewer_count=census.count)
        event = events.STREAM_VIEWER_UPDATE
        await self._fanout.publish(room, event, Typed(type=event, data=update))
        self._audience.peaked(room.key, census.peak)

    # --- what is kept -------------------------------------------------------------------------------------------------

    async def _settle(self, key: str) -> None:
        """Do what the stream's status demands now: notices may be late, or overtake each other."""
        with suppress(Unavailable):  # then `_check` does it
            status = (await self._stream(key)).status
            if status in OVER:
                await self._end(viewers_room(key))
            elif status == StreamStatus.LIVE:
                await self._restore(viewers_room(key))

    async def _end(self, room: Room) -> None:
        self._over.add(room)
        census = await self._presence.end(room)
        self._audience.peaked(room.key, census.peak)
        self._due(room, census, at_once=True)

    async def _restore(self, room: Room) -> None:
        self._over.discard(room)
        people = self._attendees(room)
        census = await self._presence.restore(room, people)
        for who in people:
            self._audience.came(room.key, who)
        self._due(room, census, at_once=True)

    async def _run(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(STORE)
            rounds += 1
            try:
                await self._audience.store()
                if rounds % CHECK == 0:
                    await self._check()
            except Unavailable:
                continue  # all of it is remembered
            except Exception:
                log.exception("peaks and totals could not be stored")

    async def _check(self) -> None:
        """End what has ended and restore what goes on: a notice may be lost, and a node may have been away."""
        self._over = {room for room in self._over if self._attendees(room)}
        counted = {room for room in self._presence.rooms() if room.namespace == STREAMING}
        if not (rooms := self._over | counted):
            return
        async with self._database.guard("viewers.check"):
            streams = await Stream.filter(key__in=[room.key for room in rooms]).only("key", "status")
        for stream in streams:
            room = viewers_room(stream.key)
            if stream.status in OVER and room in counted:
                await self._end(room)
            elif stream.status == StreamStatus.LIVE and room in self._over:
                await self._restore(room)

    async def _stream(self, key: str) -> Stream:
        async with self._database.guard("viewers.stream"):
            stream = await Stream.get_or_none(key=key)
        if stream is None:
            raise NotFound("There is no such stream")
        return stream
