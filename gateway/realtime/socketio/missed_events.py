"""Reads the events that returning sockets have missed, once for all of them. Used by recovery."""

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping
from itertools import islice
from operator import attrgetter
from typing import Final, NamedTuple

from gateway.concurrency.batcher import Batcher
from gateway.errors import Unavailable
from gateway.keys import Room
from gateway.realtime.engineio.transports.frame import Frame
from gateway.realtime.logged import Log, LoggedEvent, Place, Read, Wanted
from gateway.realtime.packets import logged_packet, with_offset

LIMIT: Final = 300  # events that a client may have missed in a room; a new snapshot is smaller than more of them

TOGETHER: Final = 500  # sockets in one reading
WAITING: Final = 100_000  # sockets without an answer: more than a node has
STATEMENT: Final = 16  # rooms in one statement: up to 5,000 events, which take some 20 ms
ROOMS: Final = 100  # rooms whose events are kept, the most recently read: up to 300 KB each
KEPT: Final = 5.0  # s for which events are kept after the last reading


class MissedEvent(NamedTuple):
    """An event of a log, encoded with its offset once for all sockets; no frame if its content was removed."""

    seq: int
    frame: Frame | None


class _Reading(NamedTuple):
    """The events of a log after a place, as of one moment."""

    after: int
    head: Place
    events: list[MissedEvent]

    @property
    def complete(self) -> bool:
        """Whether it reaches the head."""
        return (self.events[-1].seq if self.events else self.after) >= self.head.seq


class MissedEvents:
    """The missed events of sockets, which share the readings of logs.

    A socket that asks while logs are being read waits for the next reading, so it gets all events until its call.

    A reading is used again while the log has the same head: every change of a room, deletions included, is an event of
    its log. So each batch of sockets reads the heads, in the statement that reads the events of the other rooms.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._kept: OrderedDict[Room, _Reading] = OrderedDict()
        self._expiry: asyncio.TimerHandle | None = None
        self._asks: Batcher[Mapping[Room, Place], dict[Room, list[MissedEvent]]] = Batcher(
            "missed-events", self._answer, most=TOGETHER, waiting=WAITING, unavailable=Unavailable
        )

    async def after(self, places: Mapping[Room, Place]) -> dict[Room, list[MissedEvent]]:
        """Return the stored events after a place of each room, in order, at least the first LIMIT of them.

        A log of another epoch has none. Raises Unavailable.
        """
        return await self._asks.call(places)

    async def close(self) -> None:
        """Refuse further calls, and forget what was read."""
        await self._asks.close()
        if self._expiry is not None:
            self._expiry.cancel()
        self._kept.clear()

    async def _answer(self, asks: list[Mapping[Room, Place]]) -> list[dict[Room, list[MissedEvent]]]:
        first: dict[Room, int] = {}
        last: dict[Room, int] = {}
        for places in asks:
            for room, place in places.items():
                first[room] = min(first.get(room, place.seq), place.seq)
                last[room] = max(last.get(room, 0), place.seq)
        rooms = iter(first)
        readings: dict[Room, _Reading] = {}
        while some := list(islice(rooms, STATEMENT)):
            readings |= await self._read({room: (first[room], last[room]) for room in some})
        self._forget_later()
        return [
            {room: _after(readings[room], place) if room in readings else [] for room, place in places.items()}
            for places in asks
        ]

    async def _read(self, spans: Mapping[Room, tuple[int, int]]) -> dict[Room, _Reading]:
        """Return readings that have at least LIMIT events after the last place of each span, or reach the head."""
        kept = {room: self._kept[room] for room, (first, _) in spans.items() if self._covers(room, first)}
        wanted = {room: Wanted(first, kept[room].head if room in kept else None) for room, (first, _) in spans.items()}
        limit = LIMIT + max(last - first for first, last in spans.values())
        readings = {}
        for room, read in (await self._log.read(wanted, limit)).items():
            if read.head == wanted[room].known:
                readings[room] = kept[room]
            else:
                readings[room] = _Reading(wanted[room].seq, read.head, _encoded(room, read))
                await asyncio.sleep(0)  # encoding takes up to 5 ms for each room: other tasks run in between
            if readings[room].complete:
                self._kept[room] = readings[room]
                self._kept.move_to_end(room)
        while len(self._kept) > ROOMS:
            self._kept.popitem(last=False)
        return readings

    def _covers(self, room: Room, first: int) -> bool:
        kept = self._kept.get(room)
        return kept is not None and kept.after <= first

    def _forget_later(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = asyncio.get_running_loop().call_later(KEPT, self._kept.clear)


def _encoded(room: Room, read: Read) -> list[MissedEvent]:
    return [MissedEvent(event.seq, _frame(room, read.head.epoch, event)) for event in read.events]


def _frame(room: Room, epoch: str, event: LoggedEvent) -> Frame | None:
    if event.payload is None:
        return None
    offset = Place(epoch, event.seq).offset(room)
    return Frame(with_offset(logged_packet(room.namespace, event.event, event.payload), offset))


def _after(reading: _Reading, place: Place) -> list[MissedEvent]:
    if reading.head.epoch != place.epoch:
        return []
    return reading.events[bisect_right(reading.events, place.seq, key=attrgetter("seq")) :]
