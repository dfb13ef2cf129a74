"""Delivers the logged events of rooms in order and reads missing ones from the log. Used by RedisFanout."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, copy_context
from datetime import datetime

import structlog

from gateway.concurrency.tasks import cancel
from gateway.errors import Unavailable
from gateway.keys import Room, chat_room, products_room, viewers_room
from gateway.metrics import Metrics
from gateway.realtime.logged import Head, Log, LoggedEvent, Place
from gateway.realtime.packets import logged_packet

log = structlog.get_logger()

LATE = 0.075  # s to wait for a missing event before reading it from the log
CHECK = 2.0  # s between two reads of the heads of all watched rooms' logs
RETRY = 0.5  # s before a log that could not be read is read again
PAGE = 200  # events read at once: other work of the node runs between two pages
HELD = 1000  # events of a room that are kept while an earlier one is missing; the log has the others
READERS = 2  # rooms that read their logs at the same time: joins and messages need the database, too


class _Watched:
    """A room with members on this node."""

    __slots__ = ("awaited", "began", "filling", "held", "host", "learning", "logged", "place", "room")

    def __init__(self, room: Room) -> None:
        self.room = room
        self.place: Place | None = None  # of the newest event that was delivered
        self.began: datetime | None = None  # when its stream went live first
        self.host: str | None = None  # of its stream
        self.logged = True  # whether it has a log; True until known
        self.awaited = 0  # the newest place that is known to exist
        self.held: dict[int, bytes] = {}  # packets that arrived too early, by place
        self.learning: asyncio.Task[None] | None = None
        self.filling: asyncio.Task[None] | None = None


class Sequencer:
    """Delivers the logged events of watched rooms in the order of their places, each once.

    The log is the authority: an event that does not arrive is read from it, and one that arrives but is not in it is
    dropped. A caller that reads the room's state after `watch` has returned misses nothing.
    """

    def __init__(self, log: Log, deliver: Callable[[Room, bytes, str | None], None], metrics: Metrics) -> None:
        self._log = log
        self._deliver = deliver
        self._metrics = metrics
        self._rooms: dict[Room, _Watched] = {}
        self._readers = asyncio.Semaphore(READERS)
        self._check_requested = asyncio.Event()
        self._context = Context()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the periodic check of the rooms."""
        self._context = copy_context()
        self._task = asyncio.create_task(self._run(), name="sequencer")

    async def close(self) -> None:
        """Stop delivering."""
        for room in list(self._rooms):
            self.forget(room)
        await cancel(self._task)

    async def watch(self, room: Room) -> None:
        """Start to deliver a room's events after the head of its log; return when the head is known."""
        watched = self._rooms.setdefault(room, _Watched(room))
        if watched.place is not None or not watched.logged:
            return
        if watched.learning is None:
            watched.learning = self._spawn(self._learn(watched), f"learn {room.name}")
        await asyncio.wait([watched.learning])

    def forget(self, room: Room) -> None:
        """Stop delivering the events of a room, which has no members here now."""
        watched = self._rooms.pop(room, None)
        if watched is not None:
            for task in (watched.learning, watched.filling):
                if task is not None:
                    task.cancel()

    def place(self, room: Room) -> Place | None:
        """Return the place of the last event delivered; None for a room that is not watched or has no log."""
        watched = self._rooms.get(room)
        return watched.place if watched else None

    def began(self, room: Room) -> datetime | None:
        """Return when the stream of a watched room went live first; None if it has not, or if that is not known yet."""
        watched = self._rooms.get(room)
        return watched.began if watched else None

    def host(self, room: Room) -> str | None:
        """Return the host of the stream of a watched room; None if it is not known."""
        watched = self._rooms.get(room)
        return watched.host if watched else None

    def begin_stream(self, key: str, began: datetime) -> None:
        """Remember when a stream went live first: the log's heads are read only once in a while."""
        for room in (chat_room(key), products_room(key), viewers_room(key)):
            if (watched := self._rooms.get(room)) is not None:
                watched.began = began

    async def reach(self, room: Room, seq: int, within: float) -> bool:
        """Wait up to `within` s until everything up to `seq` is delivered; return whether it is."""
        watched = self._rooms.get(room)
        if watched is None or watched.place is None:
            return False
        if watched.place.seq < seq:
            self._expect(watched, seq)
            if watched.filling is not None:
                await asyncio.wait([watched.filling], timeout=within)
        return watched.place.seq >= seq

    def check(self) -> None:
        """Check all rooms soon: events may have been missed."""
        self._check_requested.set()

    def offer(self, room: Room, seq: int, packet: bytes) -> None:
        """Deliver the encoded packet of a logged event as soon as all events before it are delivered."""
        watched = self._rooms.get(room)
        if watched is None:
            return
        if watched.place is None:
            if watched.learning is not None:
                self._hold(watched, seq, packet)
            else:
                self._deliver(room, packet, None)  # the head is unknown: out of order is better than not at all
        elif seq == watched.place.seq + 1:
            self._deliver_next(watched, seq, packet)
            self._release(watched)
        elif seq > watched.place.seq:
            self._hold(watched, seq, packet)
            self._expect(watched, seq)

    def offer_next(self, room: Room, seq: int, packet: bytes) -> None:
        """Deliver a stored event if it is next in its room; else ignore it: it is offered again by its publication."""
        watched = self._rooms.get(room)
        if watched is not None and watched.place is not None and seq == watched.place.seq + 1:
            self._deliver_next(watched, seq, packet)
            self._release(watched)

    # --- one room -----------------------------------------------------------------------------------------------------

    def _hold(self, watched: _Watched, seq: int, packet: bytes) -> None:
        if len(watched.held) < HELD:
            watched.held[seq] = packet

    def _deliver_next(self, watched: _Watched, seq: int, packet: bytes | None) -> None:
        """Deliver the event in the next place; skip it if `packet` is None, because its content was removed."""
        if watched.place is not None:
            watched.place = watched.place._replace(seq=seq)
            if packet is not None:
                self._deliver(watched.room, packet, watched.place.offset(watched.room))

    def _release(self, watched: _Watched) -> None:
        """Deliver held events that are next now, and drop those that were delivered otherwise."""
        if watched.place is None or not watched.held:
            return
        while (packet := watched.held.pop(watched.place.seq + 1, None)) is not None:
            self._deliver_next(watched, watched.place.seq + 1, packet)
        if watched.held and min(watched.held) <= watched.place.seq:
            watched.held = {seq: packet for seq, packet in watched.held.items() if seq > watched.place.seq}

    def _begin(self, watched: _Watched, head: Head) -> None:
        """Continue from the head of a log, without the events before it."""
        watched.place, watched.began, watched.host = head
        watched.awaited = head.place.seq
        self._release(watched)
        if watched.held:
            self._expect(watched, max(watched.held))

    def _expect(self, watched: _Watched, seq: int) -> None:
        """Make sure that everything up to this place is delivered: it exists."""
        watched.awaited = max(watched.awaited, seq)
        if watched.filling is None:
            watched.filling = self._spawn(self._fill_gap(watched), f"fill gap {watched.room.name}")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        # Not in the context of who published: that may be within a transaction, whose connection is not ours.
        return asyncio.create_task(work, name=name, context=self._context.copy())

    async def _learn(self, watched: _Watched) -> None:
        head = None
        try:
            head = (await self._log.heads([watched.room])).get(watched.room)
            watched.logged = head is not None
        except Unavailable:
            pass  # the join fails as well; a later check reads the head
        except Exception:
            log.exception("log head unreadable", room=watched.room.name)
        finally:
            watched.learning = None
        if head is not None:
            self._begin(watched, head)
            return
        for _, packet in sorted(watched.held.items()):
            self._deliver(watched.room, packet, None)
        watched.held.clear()

    async def _fill_gap(self, watched: _Watched) -> None:
        """Wait LATE s for missing events, then read them from the log."""
        try:
            await asyncio.sleep(LATE)
            asked = False
            while watched.place is not None and watched.place.seq < watched.awaited:
                if not asked:
                    asked = True
                    self._metrics.gaps.inc()
                try:
                    async with self._readers:
                        before = watched.place.seq
                        events = await self._log.after(watched.room, before, PAGE)
                except Unavailable:
                    await asyncio.sleep(RETRY)
                else:
                    self._fill(watched, before, events)
        except Exception:
            log.exception("room catch-up failed", room=watched.room.name)
        finally:
            watched.filling = None

    def _fill(self, watched: _Watched, before: int, events: list[LoggedEvent]) -> None:
        if watched.place is None:
            return
        for seq, event, payload in events:
            missing = seq - watched.place.seq - 1
            if missing < 0:
                continue  # it arrived in between
            if missing:
                self._metrics.events_lost.inc(missing)
            packet = None if payload is None else logged_packet(watched.room.namespace, event, payload)
            self._deliver_next(watched, seq, packet)
            self._metrics.caught_up.inc()
        self._release(watched)
        if watched.place.seq == before:
            watched.awaited = before  # the expected events are not in the log
            watched.held.clear()

    # --- all rooms ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK * random.uniform(0.8, 1.2)):  # noqa: S311  not all nodes at once
                    await self._check_requested.wait()
            self._check_requested.clear()
            try:
                await self._check_rooms()
            except Unavailable:
                log.debug("log heads unavailable")
            except Exception:
                log.exception("log heads unreadable")

    async def _check_rooms(self) -> None:
        before = {room: (watched, watched.place) for room, watched in self._rooms.items() if watched.logged}
        if not before:
            return
        for room, head in (await self._log.heads(list(before))).items():
            watched, place = before[room]
            if self._rooms.get(room) is not watched:
                continue  # left in between
            new = head.place
            if watched.place is None or (place is not None and (new.epoch != place.epoch or new.seq < place.seq)):
                self._begin(watched, head)  # unknown before, or a new log
                continue
            watched.began, watched.host = head.began or watched.began, head.host
            if new.seq > watched.place.seq:
                self._expect(watched, new.seq)
