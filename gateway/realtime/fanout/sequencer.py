"""One order per room on this node: logged events by their place, what is missing from the log. Used by fanout_redis."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, copy_context

import structlog

from gateway.concurrency.tasks import cancel
from gateway.errors import Unavailable
from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.realtime.logged import Log, LoggedEvent, Place
from gateway.realtime.packets import logged_packet

log = structlog.get_logger()

LATE = 0.075  # s that a missing event may be on its way before the log is asked for it
CHECK = 2.0  # s between two looks at where the logs of all watched rooms stand
RETRY = 0.5  # s before a log that could not be read is asked again
PAGE = 200  # events read at once: between two pages everything else on the node has its turn
HELD = 1000  # events of a room that are kept while one before them is missing; the log has the others
READERS = 2  # rooms that read their logs at the same time: joins and messages need the database, too


class _Watched:
    """A room with members on this node."""

    __slots__ = ("awaited", "held", "learning", "logged", "mending", "place", "room")

    def __init__(self, room: Room) -> None:
        self.room = room
        self.place: Place | None = None  # of the newest event that was delivered
        self.logged = True  # as far as is known
        self.awaited = 0  # the newest place that is known to be taken
        self.held: dict[int, bytes] = {}  # what came before its turn
        self.learning: asyncio.Task[None] | None = None
        self.mending: asyncio.Task[None] | None = None


class Sequencer:
    """Delivers the logged events of watched rooms in the order of their places, each once.

    The log is the authority: an event that does not come by itself is read from it, and what comes but is not in it is
    dropped. Whoever was told `watch` has returned, and reads the room's state after that, misses nothing.
    """

    def __init__(self, log: Log, deliver: Callable[[Room, bytes, str | None], None], metrics: Metrics) -> None:
        self._log = log
        self._deliver = deliver
        self._metrics = metrics
        self._rooms: dict[Room, _Watched] = {}
        self._readers = asyncio.Semaphore(READERS)
        self._due = asyncio.Event()
        self._context = Context()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look after the rooms."""
        self._context = copy_context()
        self._task = asyncio.create_task(self._run(), name="sequencer")

    async def close(self) -> None:
        """End; nothing is delivered any more."""
        for room in list(self._rooms):
            self.forget(room)
        await cancel(self._task)

    async def watch(self, room: Room) -> None:
        """Learn where a room's log stands, if that is not known; what comes later will be delivered."""
        watched = self._rooms.setdefault(room, _Watched(room))
        if watched.place is not None or not watched.logged:
            return
        if watched.learning is None:
            watched.learning = self._spawn(self._learn(watched), f"learn {room.name}")
        await asyncio.wait([watched.learning])

    def forget(self, room: Room) -> None:
        """Nobody is there any more."""
        watched = self._rooms.pop(room, None)
        if watched is not None:
            for task in (watched.learning, watched.mending):
                if task is not None:
                    task.cancel()

    def place(self, room: Room) -> Place | None:
        """Up to where a room's events were delivered; None for a room that is not watched or has no log."""
        watched = self._rooms.get(room)
        return watched.place if watched else None

    async def reach(self, room: Room, seq: int, within: float) -> bool:
        """Wait until everything up to a place was delivered; whether that is so after `within` s at most."""
        watched = self._rooms.get(room)
        if watched is None or watched.place is None:
            return False
        if watched.place.seq < seq:
            self._expect(watched, seq)
            if watched.mending is not None:
                await asyncio.wait([watched.mending], timeout=within)
        return watched.place.seq >= seq

    def check(self) -> None:
        """Something may have been missed: look at all rooms soon."""
        self._due.set()

    def offer(self, room: Room, seq: int, packet: bytes) -> None:
        """A logged event has come, ready to be sent: deliver it when it is its turn."""
        watched = self._rooms.get(room)
        if watched is None:
            return
        if watched.place is None:
            if watched.learning is not None:
                self._hold(watched, seq, packet)
            else:
                self._deliver(room, packet, None)  # nothing is known of the log: better out of order than not at all
        elif seq == watched.place.seq + 1:
            self._pass(watched, seq, packet)
            self._release(watched)
        elif seq > watched.place.seq:
            self._hold(watched, seq, packet)
            self._expect(watched, seq)

    # --- one room -----------------------------------------------------------------------------------------------------

    def _hold(self, watched: _Watched, seq: int, packet: bytes) -> None:
        if len(watched.held) < HELD:
            watched.held[seq] = packet

    def _pass(self, watched: _Watched, seq: int, packet: bytes | None) -> None:
        """Deliver what is in the next place; None: nobody is to hear that."""
        if watched.place is not None:
            watched.place = watched.place._replace(seq=seq)
            if packet is not None:
                self._deliver(watched.room, packet, watched.place.offset(watched.room))

    def _release(self, watched: _Watched) -> None:
        """Deliver what was held and is next now; forget what is not needed any more."""
        if watched.place is None or not watched.held:
            return
        while (packet := watched.held.pop(watched.place.seq + 1, None)) is not None:
            self._pass(watched, watched.place.seq + 1, packet)
        if watched.held and min(watched.held) <= watched.place.seq:
            watched.held = {seq: packet for seq, packet in watched.held.items() if seq > watched.place.seq}

    def _begin(self, watched: _Watched, place: Place) -> None:
        """Go on from a place without what was before it."""
        watched.place = place
        watched.awaited = place.seq
        self._release(watched)
        if watched.held:
            self._expect(watched, max(watched.held))

    def _expect(self, watched: _Watched, seq: int) -> None:
        """This place is taken: see to it that everything up to it is delivered."""
        watched.awaited = max(watched.awaited, seq)
        if watched.mending is None:
            watched.mending = self._spawn(self._mend(watched), f"mend {watched.room.name}")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        # Not in the context of who published: that may be within a transaction, whose connection is not ours.
        return asyncio.create_task(work, name=name, context=self._context.copy())

    async def _learn(self, watched: _Watched) -> None:
        head = None
        try:
            head = (await self._log.heads([watched.room])).get(watched.room)
            watched.logged = head is not None
        except Unavailable:
            pass  # who joins is told so; a later check learns it
        except Exception:
            log.exception("a room's log could not be looked at", room=watched.room.name)
        finally:
            watched.learning = None
        if head is not None:
            self._begin(watched, head)
            return
        for _, packet in sorted(watched.held.items()):
            self._deliver(watched.room, packet, None)
        watched.held.clear()

    async def _mend(self, watched: _Watched) -> None:
        """Wait a moment for what is missing, then read it."""
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
            log.exception("a room could not catch up", room=watched.room.name)
        finally:
            watched.mending = None

    def _fill(self, watched: _Watched, before: int, events: list[LoggedEvent]) -> None:
        if watched.place is None:
            return
        for seq, event, payload in events:
            missing = seq - watched.place.seq - 1
            if missing < 0:
                continue  # it came by itself meanwhile
            if missing:
                self._metrics.events_lost.inc(missing)
            packet = None if payload is None else logged_packet(watched.room.namespace, event, payload)
            self._pass(watched, seq, packet)
            self._metrics.caught_up.inc()
        self._release(watched)
        if watched.place.seq == before:
            watched.awaited = before  # what was said to be there is not in the log
            watched.held.clear()

    # --- all rooms ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK * random.uniform(0.8, 1.2)):  # noqa: S311  not all nodes at once
                    await self._due.wait()
            self._due.clear()
            try:
                await self._look()
            except Unavailable:
                log.debug("the logs of rooms could not be looked at")
            except Exception:
                log.exception("the logs of rooms could not be looked at")

    async def _look(self) -> None:
        before = {room: (watched, watched.place) for room, watched in self._rooms.items() if watched.logged}
        if not before:
            return
        for room, head in (await self._log.heads(list(before))).items():
            watched, place = before[room]
            if self._rooms.get(room) is not watched:
                continue  # left meanwhile
            if watched.place is None or (place is not None and (head.epoch != place.epoch or head.seq < place.seq)):
                self._begin(watched, head)  # not known before, or the log was begun anew
            elif head.seq > watched.place.seq:
                self._expect(watched, head.seq)
