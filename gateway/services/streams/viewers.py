"""Counts the viewers of streams: distinct people over all sockets and nodes. Called by the `/streaming` namespace."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from gateway.clocks import now
from gateway.concurrency.batcher import Batcher
from gateway.concurrency.tasks import cancel
from gateway.errors import NotFound, Unavailable, UnknownStream
from gateway.keys import STREAMING, Room, viewers_room
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.payloads.streaming import ViewerJoin, ViewerJoined, ViewerUpdate
from gateway.protocol.wire import Since, Typed
from gateway.realtime.fanout.fanout import Fanout
from gateway.realtime.notices import StreamEnded, StreamResumed
from gateway.realtime.presence.presence import Census, Presence
from gateway.services.analytics.facts import NO_FACTS, Facts
from gateway.services.rooms.catch_up import CatchUp
from gateway.services.rooms.log import RoomLog
from gateway.services.streams.streams import OVER
from gateway.services.streams.throttle import Throttle
from gateway.services.streams.viewer_totals import ViewerTotals
from models.main.stream import Stream, StreamStatus

log = structlog.get_logger()

STORE = 1.0  # s between two stores of peaks and totals
SAMPLE = 10  # stores, and seconds, between two samples for the analytics database
TOGETHER = 500  # streams in one statement
WAITING = 20_000  # joins without an answer; more would wait for too long
CHECK = 5  # stores between two checks for streams whose end this node missed


class Viewers:
    """Counts viewers and broadcasts the count: immediately from or to 0, else once a second.

    An ended stream has no viewers; sockets in its room are counted again when the stream is resumed. `attendees`
    returns the user ids in a room on this node, one for each socket.
    """

    def __init__(
        self,
        database: Database,
        log: RoomLog,
        presence: Presence,
        fanout: Fanout,
        attendees: Callable[[Room], Sequence[str]],
        facts: Facts = NO_FACTS,
    ) -> None:
        self._database = database
        self._facts = facts
        self._catch_up = CatchUp(log)
        self._streams: Batcher[str, Stream] = Batcher(
            "viewers", self._read_streams, most=TOGETHER, waiting=WAITING, unavailable=Unavailable
        )
        self._attendees = attendees
        self._over: set[Room] = set()  # rooms of ended streams, whose sockets are not counted
        self._presence = presence
        self._fanout = fanout
        self._totals = ViewerTotals(database)
        self._updates = Throttle(presence, self._publish, "viewers")
        self._task: asyncio.Task[None] | None = None
        presence.on_change(self._on_change)

    def start(self) -> None:
        """Start to store peaks and totals periodically."""
        self._task = asyncio.create_task(self._run(), name="viewers-store")

    async def close(self) -> None:
        """Publish pending counts, store pending changes, and stop."""
        await self._catch_up.close()
        await self._streams.close()
        await self._updates.close()
        await cancel(self._task)
        with suppress(Unavailable):
            await self._totals.store()

    # --- joining and leaving ------------------------------------------------------------------------------------------

    async def check_join(self, key: str) -> None:
        """Raise NotFound if there is no such stream. Raises Unavailable."""
        if (await self._stream(key)).status in OVER:
            await self._end(viewers_room(key))  # so that nobody is counted, even if Redis lost the mark of the end

    async def resumes(self, request: ViewerJoin) -> bool:
        """Return whether the log still has all events that the client missed. Raises NotFound, Unavailable."""
        if request.since is None:
            return False
        return (await self._catch_up.position(viewers_room(request.stream_key), request.since)).events is not None

    async def snapshot(self, key: str, since: Since | None, census: Census) -> ViewerJoined:
        """Return the ack of a join, for a socket that receives the room's events already. Raises as `check_join`."""
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

    async def enter(self, room: Room, user_id: str) -> Census:
        """Count a socket of a person; not counted if the call is cancelled. Never raises."""
        census = await self._presence.enter(room, user_id)
        if census.count:
            self._totals.add(room.key, user_id)
        else:
            self._over.add(room)
        self._due(room, census, at_once=census.count == 1)
        return census

    async def leave(self, room: Room, user_id: str) -> Census:
        """Stop counting a socket of a person, even if the call is cancelled. Never raises."""
        census = await self._presence.leave(room, user_id)
        self._due(room, census, at_once=census.count == 0)
        return census

    async def move(self, room: Room, before: str, after: str) -> None:
        """Count a socket as `after` instead of `before`, even if the call is cancelled. Never raises."""
        moved = await self._presence.move(room, before, after)
        if moved.census.count:
            self._totals.add(room.key, after)
        if moved.gone:
            self._totals.remove(room.key, before)
        self._due(room, moved.census, at_once=False)

    async def census(self, room: Room) -> Census:
        """Return how many people watch. Never raises."""
        return await self._presence.census(room)

    async def on_stream_ended(self, notice: StreamEnded) -> None:
        """Remove all viewers of a stream that has ended."""
        await self._settle(notice.stream_key)

    async def on_stream_resumed(self, notice: StreamResumed) -> None:
        """Count the sockets in the room of a stream that is live again."""
        await self._settle(notice.stream_key)

    # --- broadcasts ---------------------------------------------------------------------------------------------------

    async def _on_change(self, room: Room, census: Census) -> None:
        if room.namespace == STREAMING:
            self._updates.due(room, at_once=census.count == 0)

    def _due(self, room: Room, census: Census, *, at_once: bool) -> None:
        if census.changed:
            self._updates.due(room, at_once=at_once)

    async def _publish(self, room: Room, census: Census) -> None:
        update = ViewerUpdate(stream_key=room.key, viewer_count=census.count)
        event = events.STREAM_VIEWER_UPDATE
        await self._fanout.publish(room, event, Typed(type=event, data=update))
        self._totals.peak(room.key, census.peak)

    # --- peaks, totals and ends of streams ----------------------------------------------------------------------------

    async def _settle(self, key: str) -> None:
        """Apply the stored status of a stream: notices may arrive late or out of order."""
        with suppress(Unavailable):  # `_check` repeats it
            status = (await self._stream(key)).status
            if status in OVER:
                await self._end(viewers_room(key))
            elif status == StreamStatus.LIVE:
                await self._restore(viewers_room(key))

    async def _end(self, room: Room) -> None:
        self._over.add(room)
        census = await self._presence.end(room)
        self._totals.peak(room.key, census.peak)
        self._due(room, census, at_once=True)

    async def _restore(self, room: Room) -> None:
        self._over.discard(room)
        people = self._attendees(room)
        census = await self._presence.restore(room, people)
        for who in people:
            self._totals.add(room.key, who)
        self._due(room, census, at_once=True)

    async def _run(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(STORE)
            rounds += 1
            try:
                await self._totals.store()
                if rounds % CHECK == 0:
                    await self._check()
                if rounds % SAMPLE == 0 and self._facts.enabled:
                    await self._sample()
            except Unavailable:
                continue  # the changes are kept
            except Exception:
                log.exception("peaks and totals could not be stored")

    async def _sample(self) -> None:
        """Store the viewer counts of streams with viewers on this node. All nodes use the same sample times."""
        moment = datetime.fromtimestamp(now().timestamp() // SAMPLE * SAMPLE, UTC)
        rooms = [room for room in self._presence.rooms() if room.namespace == STREAMING]
        counts = {room.key: (await self._presence.census(room)).count for room in rooms}
        async with self._database.guard("viewers.sample"):
            await self._facts.add_viewers(self._database, moment, counts)

    async def _check(self) -> None:
        """Apply the status of all streams with sockets on this node, because notices may be lost."""
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
        """Return a stream as it is stored. Concurrent calls share a statement. Raises NotFound, Unavailable."""
        return await self._streams.call(key)

    async def _read_streams(self, keys: list[str]) -> list[Stream | NotFound]:
        async with self._database.guard("viewers.stream"):
            streams = {stream.key: stream for stream in await Stream.filter(key__in=set(keys))}
        return [streams.get(key) or UnknownStream() for key in keys]
