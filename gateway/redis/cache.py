"""Reads that many ask for, kept in Redis for a while and made anew before they run out. Used by services."""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError

from gateway import keys
from gateway.errors import Unavailable
from gateway.metrics import Metrics
from gateway.redis.client import RedisClient

log = structlog.get_logger()

LEASE = 5.0  # s that one who loads has before somebody else may
WAIT = 1.0  # s that others wait for what is being loaded: whoever does it may have died, or hang
POLL = 0.02  # s between two looks for what another node is loading
REFRESH = 0.2  # of its lifetime: who finds no more than that left makes the value anew while others still read it
JITTER = 0.1  # of its lifetime, so that entries made together do not run out together
RETRY = 0.5  # s between two tries to drop what could not be dropped

# An entry is "<version> <JSON>". Whoever loads holds the lease, and stores only while it is theirs: a change that comes
# meanwhile takes it away, so nothing that was read before a change is stored after it.

V = TypeVar("V")
R = TypeVar("R")


def _none(_: object) -> int:
    return 0


class Cache(Generic[V]):
    """Values of one type by name, for all nodes. While Redis is away everything is loaded, once a node at a time.

    Cache-aside: `read`, and after the commit of a change `drop`. Write-through: `write`, with a version that grows with
    each change.

    A value is loaded by one of all who ask for it; if that takes longer than `WAIT`, by one on each node. It is stale
    at most from a commit to the `drop` or `write` that follows it, on other nodes until the reads that were under way
    have ended; if the commit's node dies between the two, or is not told of its commit, for `lifetime` seconds.
    """

    def __init__(
        self,
        redis: RedisClient,
        metrics: Metrics,
        name: str,
        shape: Any,
        lifetime: float,
        version: Callable[[V], int] = _none,
    ) -> None:
        """`version` says of a value that was loaded which one it is; only write-through asks for it."""
        self._redis = redis
        self._metrics = metrics
        self._name = name
        self._shape: TypeAdapter[V] = TypeAdapter(shape)
        self._lifetime = lifetime
        self._version = version
        self._look = redis.script(__package__, "cache_look")
        self._store = redis.script(__package__, "cache_store")
        self._write = redis.script(__package__, "cache_write")
        self._return = redis.script(__package__, "cache_return")
        self._flights: dict[str, asyncio.Task[V]] = {}  # what is being read, by key
        self._undropped: set[str] = set()  # keys that Redis may hold an old value of
        self._tasks: set[asyncio.Task[Any]] = set()

    async def read(self, key: str, load: Callable[[], Awaitable[V]]) -> V:
        """Return the value of a key: the one that is kept, or what `load` returns. Raises what `load` raises.

        Those who ask while a value is being read get that one.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = self._task(self._fly(key, load))
            flight.add_done_callback(partial(self._landed, key))
        return await asyncio.shield(flight)

    async def write(self, key: str, value: V, version: int) -> None:
        """Keep the value that a change has made, unless that of a later one is there already. Never raises."""
        try:
            async with self._redis.guard("cache.write"):
                await self._write(keys=_names(self._name, key), args=[version, *self._entry(value, version)])
        except Unavailable:
            self._drop_later(key)
        finally:
            self._flights.pop(key, None)  # not earlier: who asked meanwhile may have found the old value

    async def drop(self, key: str) -> None:
        """Forget a value: it has changed. Never raises; what Redis cannot be told now it is told when it is back."""
        try:
            await self._drop(key)
        except Unavailable:
            self._drop_later(key)
        finally:
            self._flights.pop(key, None)  # as in write

    async def close(self) -> None:
        """Answer those who wait, then load and drop nothing any more."""
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _fly(self, key: str, load: Callable[[], Awaitable[V]]) -> V:
        token = secrets.token_hex(8)
        ends = time.monotonic() + WAIT
        while key not in self._undropped and time.monotonic() < ends:
            try:
                kept, leased = await self._looked(key, token)
            except Unavailable:
                break
            if kept is not None:
                if leased:
                    self._task(self._refresh(key, token, load))
                self._metrics.cache.labels(self._name, "hit").inc()
                return kept.value
            if leased:
                return await self._load_for_all(key, token, load, "miss")
            await asyncio.sleep(POLL)  # another node is loading it
        return await self._load("bypass", load)

    def _landed(self, key: str, flight: asyncio.Task[V]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # nobody may be waiting for it any more

    async def _looked(self, key: str, token: str) -> tuple["_Kept[V] | None", bool]:
        """Return what is kept, and whether this caller holds the lease to load the value."""
        async with self._redis.guard("cache.look"):
            entry, leased = await self._look(
                keys=_names(self._name, key),
                args=[token, round(LEASE * 1000), round(self._lifetime * REFRESH * 1000)],
            )
            kept = None if entry is None else self._kept(entry)
            if kept is None and entry is not None and not leased:  # of a node that runs another version
                leased = await self._redis.client.set(
                    _names(self._name, key)[1], token, nx=True, px=round(LEASE * 1000)
                )
        return kept, bool(leased)

    async def _refresh(self, key: str, token: str, load: Callable[[], Awaitable[V]]) -> None:
        try:
            await self._load_for_all(key, token, load, "refresh")
        except Exception as error:  # the next who asks will try
            log.warning("a cached value could not be made anew", cache=self._name, reason=type(error).__name__)

    async def _load_for_all(self, key: str, token: str, load: Callable[[], Awaitable[V]], outcome: str) -> V:
        names = _names(self._name, key)
        try:
            value = await self._load(outcome, load)
        except BaseException:
            with suppress(Unavailable):
                async with self._redis.guard("cache.return"):
                    await self._return(keys=names[1:], args=[token])
            raise
        with suppress(Unavailable):
            async with self._redis.guard("cache.store"):
                await self._store(keys=names, args=[token, *self._entry(value, self._version(value))])
        return value

    async def _load(self, outcome: str, load: Callable[[], Awaitable[V]]) -> V:
        self._metrics.cache.labels(self._name, outcome).inc()
        return await load()

    # --- entries ------------------------------------------------------------------------------------------------------

    def _entry(self, value: V, version: int) -> tuple[str, int]:
        """A value as it is kept, and for how many ms."""
        lifetime = self._lifetime * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  nothing to guess
        return f"{version} {self._shape.dump_json(value).decode()}", round(lifetime * 1000)

    def _kept(self, entry: str) -> "_Kept[V] | None":
        try:
            return _Kept(self._shape.validate_json(entry.partition(" ")[2]))
        except ValidationError:
            return None  # of a node that runs another version

    # --- dropping -----------------------------------------------------------------------------------------------------

    async def _drop(self, key: str) -> None:
        async with self._redis.guard("cache.drop"):
            await self._redis.client.delete(*_names(self._name, key))

    def _drop_later(self, key: str) -> None:
        if not self._undropped:
            self._task(self._drop_all())
        self._undropped.add(key)

    async def _drop_all(self) -> None:
        while self._undropped:
            await asyncio.sleep(RETRY)
            with suppress(Unavailable):
                for key in list(self._undropped):
                    await self._drop(key)
                    self._undropped.discard(key)

    def _task(self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        task = asyncio.create_task(work, name=f"cache {self._name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _Kept(NamedTuple, Generic[V]):
    """A value that is there, which may be None."""

    value: V


def _names(cache: str, key: str) -> list[str]:
    return [keys.cached(cache, key), keys.cache_lease(cache, key)]
