"""Cached reads of what a room's log tells the changes of: never older than the log. Used by storefront and catalog."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, NamedTuple, TypeVar

from gateway.errors import NotFound
from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.realtime.logged import Place
from gateway.redis.cache import Cache
from gateway.redis.client import RedisClient
from gateway.services.rooms.log import RoomLog

LIFETIME = 300.0  # s; a change ends a value, not its age

V = TypeVar("V")


class _AsOf(NamedTuple, Generic[V]):
    """A value, and a place in the log whose event and all before it are in the value."""

    epoch: str
    seq: int
    value: V


class RoomCache(Generic[V]):
    """Nothing has to be dropped: each change of the value is an event of the room's log, in the same transaction.

    So a node killed after its commit, and Redis being away, leave nothing behind that is too old.
    """

    def __init__(self, redis: RedisClient, metrics: Metrics, name: str, shape: Any, log: RoomLog) -> None:
        self._cache: Cache[_AsOf[V]] = Cache(redis, metrics, name, _AsOf[shape], LIFETIME)
        self._log = log

    async def read(self, room: Room, key: str, load: Callable[[], Awaitable[V]], place: Place | None = None) -> V:
        """What `load` answers, as it was at `place` (now, if it is not given) or later. Not within `database.guard`.

        Raises NotFound for a room without a log, Unavailable, and what `load` raises.
        """
        wanted = await self._head(room) if place is None else place

        async def loaded() -> _AsOf[V]:
            head = await self._head(room)  # before the value, which so has all of it and maybe more
            return _AsOf(head.epoch, head.seq, await load())

        def good(kept: _AsOf[V]) -> bool:
            return kept.epoch == wanted.epoch and kept.seq >= wanted.seq

        return (await self._cache.read(f"{room.name} {key}", loaded, good)).value

    async def close(self) -> None:
        """Load nothing any more."""
        await self._cache.close()

    async def _head(self, room: Room) -> Place:
        heads = await self._log.heads([room])
        if room not in heads:
            raise NotFound("There is no such stream")
        return heads[room]
