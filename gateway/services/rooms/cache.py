"""Caches values that change only with a room's log, in this node's memory. Used by storefront.py and product_list.py.

No entry has to be dropped: each change of such a value logs an event of the room in the same transaction, and an entry
is valid only up to a place of the log. So a node that is killed after its commit leaves no outdated entry, and Redis is
not needed.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from gateway.errors import UnknownStream
from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.realtime.logged import Place
from gateway.services.rooms.log import RoomLog

MOST = 200  # values in memory, the most recently used: some 50 KB each for a stream with a few dozen products

V = TypeVar("V")
Key = tuple[Room, str]


class _AsOf(NamedTuple, Generic[V]):
    """A value that includes the events of the log up to a place."""

    place: Place
    value: V

    def includes(self, wanted: Place) -> bool:
        """Return whether the value includes the events up to a place."""
        return self.place.epoch == wanted.epoch and self.place.seq >= wanted.seq


class RoomCache(Generic[V]):
    """Caches values by room and key. `name` is the cache's name in the metrics."""

    def __init__(self, metrics: Metrics, name: str, log: RoomLog) -> None:
        self._hits, self._misses = metrics.cache.labels(name, "hit"), metrics.cache.labels(name, "miss")
        self._name = name
        self._log = log
        self._kept: OrderedDict[Key, _AsOf[V]] = OrderedDict()
        self._loads: dict[Key, asyncio.Task[_AsOf[V]]] = {}

    async def read(self, room: Room, key: str, load: Callable[[], Awaitable[V]], place: Place | None = None) -> V:
        """Return what `load` returns, as it was at `place` (now, if it is not given) or later.

        Concurrent reads share one load. Call it outside `database.guard`, and do not change the value. Raises NotFound
        for a room without a log, Unavailable, and what `load` raises.
        """
        wanted, name = await self._head(room) if place is None else place, (room, key)
        kept = self._kept.get(name)
        if kept is not None and kept.includes(wanted):
            self._kept.move_to_end(name)
            self._hits.inc()
            return kept.value
        for _ in range(2):  # a running load may be older than this read; the next one is not
            loaded = await asyncio.shield(self._loading(name, load))
            if loaded.includes(wanted):
                break
        return loaded.value

    async def close(self) -> None:
        """Wait for running loads."""
        await asyncio.gather(*self._loads.values(), return_exceptions=True)

    def _loading(self, name: Key, load: Callable[[], Awaitable[V]]) -> asyncio.Task[_AsOf[V]]:
        task = self._loads.get(name)
        if task is None:
            task = self._loads[name] = asyncio.create_task(self._load(name, load), name=f"cache {self._name}")
            task.add_done_callback(_retrieve)
        return task

    async def _load(self, name: Key, load: Callable[[], Awaitable[V]]) -> _AsOf[V]:
        self._misses.inc()
        try:
            head = await self._head(name[0])  # before the value, which then includes at least these events
            loaded = self._kept[name] = _AsOf(head, await load())
        finally:
            del self._loads[name]
        self._kept.move_to_end(name)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return loaded

    async def _head(self, room: Room) -> Place:
        heads = await self._log.heads([room])
        if room not in heads:
            raise UnknownStream
        return heads[room].place


def _retrieve(load: "asyncio.Task[object]") -> None:
    if not load.cancelled():
        load.exception()  # marks it as retrieved, in case no caller waits
