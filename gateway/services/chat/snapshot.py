"""Snapshots: the newest messages and the pins of a room, for the acks of joins. Used by chat.py.

A snapshot is read once for concurrent joins. It stays in memory until the room's log moves on, because each change of
a snapshot is an event of that log.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable
from typing import NamedTuple, Protocol

from gateway.clocks import now
from gateway.concurrency.batcher import Batcher
from gateway.errors import GatewayError, Unavailable, UnknownStream
from gateway.keys import chat_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.chat import HistoryMessage, PinnedMessage
from gateway.protocol.wire import Cursor
from gateway.realtime.logged import Head
from gateway.services.chat.messages import Messages
from gateway.services.rooms.log import RoomLog

ROOMS = 100  # snapshots in memory, the most recently used: some 100 KB each
BATCH = 2000  # joins in one reading
WAITING = 20_000  # joins without an answer; further ones are refused with Unavailable


class Snapshot(NamedTuple):
    """The state of a room at a place of its log."""

    cursor: Cursor
    history: list[HistoryMessage]
    pinned: list[PinnedMessage]


class Pins(Protocol):
    """The pinned messages of rooms."""

    def shown(self, live_id: str) -> Awaitable[list[PinnedMessage]]: ...


class Snapshots:
    """Reads and caches snapshots. A join during a reading waits for the next one, so that no event is missed."""

    def __init__(self, database: Database, log: RoomLog, messages: Messages, pins: Pins, metrics: Metrics) -> None:
        self._database = database
        self._log = log
        self._messages = messages
        self._pins = pins
        self._metrics = metrics
        self._kept: OrderedDict[str, Snapshot] = OrderedDict()
        self._reads: Batcher[str, Snapshot] = Batcher(
            "snapshots", self._read_rooms, most=BATCH, waiting=WAITING, unavailable=Unavailable
        )

    async def read(self, live_id: str) -> Snapshot:
        """Return the snapshot of a room. Raises NotFound, Unavailable."""
        snapshot, moment = await self._reads.call(live_id), now()
        pinned = [pin for pin in snapshot.pinned if pin.pinned_until is None or pin.pinned_until > moment]
        return snapshot._replace(pinned=pinned)

    async def close(self) -> None:
        """Refuse further reads."""
        await self._reads.close()

    async def _read_rooms(self, live_ids: list[str]) -> list[Snapshot | Exception]:
        wanted = list(dict.fromkeys(live_ids))
        heads = await self._log.heads([chat_room(live_id) for live_id in wanted])
        found = await asyncio.gather(*(self._room(live_id, heads.get(chat_room(live_id))) for live_id in wanted))
        rooms = dict(zip(wanted, found, strict=True))
        return [rooms[live_id] for live_id in live_ids]

    async def _room(self, live_id: str, head: Head | None) -> Snapshot | Exception:
        if head is None:
            return UnknownStream()
        kept = self._kept.get(live_id)
        if kept is None or (kept.cursor.epoch, kept.cursor.seq) != head.place:
            self._metrics.cache.labels("snapshots", "miss").inc()
            try:
                kept = await self._load(live_id)
            except GatewayError as error:
                return error
        else:
            self._metrics.cache.labels("snapshots", "hit").inc()
        self._kept[live_id] = kept
        self._kept.move_to_end(live_id)
        while len(self._kept) > ROOMS:
            self._kept.popitem(last=False)
        return kept

    async def _load(self, live_id: str) -> Snapshot:
        async with self._database.guard("chat.snapshot"):
            cursor, history = await self._messages.latest(live_id)
            return Snapshot(cursor, history, await self._pins.shown(live_id))
