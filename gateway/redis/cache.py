"""A cache in Redis for frequent reads, refreshed before entries expire. Used by services."""

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

LEASE = 5.0  # s for one caller to load a value before another one may
WAIT = 1.0  # s for which other callers wait for it, in case the loading one died or hangs
POLL = 0.02  # s between two checks for a value that another node is loading
REFRESH = 0.2  # of the lifetime: a read with less than that left refreshes the entry in the background
JITTER = 0.1  # of the lifetime, so that entries stored together do not expire together
RETRY = 0.5  # s between two attempts to drop entries

# An entry is "<version> <JSON>". A caller loads a value under a lease, and stores it only while it holds the lease. A
# change deletes the lease, so a value that was read before a change is never stored after it.

V = TypeVar("V")
R = TypeVar("R")


def _none(_: object) -> int:
    return 0


class Cache(Generic[V]):
    """Values of one type by key, shared by all nodes. While Redis is unavailable each node loads values itself.

    Cache-aside: call `read`, and `drop` after the commit of a change. Write-through: call `write` after the commit,
    with a version that increases with each change.

    Concurrent reads share one load over all nodes; if it takes longer than `WAIT`, one load on each node. A value is
    stale at most from a commit to its `drop` or `write`; a read that has started before may still return it. If the
    node dies between the two, or does not know that it committed, the value is stale for at most `lifetime` seconds.
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
        """Take the type of values as `shape`, and for write-through a function that returns the version of a value."""
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
        self._reads: dict[str, asyncio.Task[V]] = {}  # pending reads by key
        self._undropped: set[str] = set()  # keys of changed values that Redis may still have
        self._tasks: set[asyncio.Task[Any]] = set()

    async def read(self, key: str, load: Callable[[], Awaitable[V]]) -> V:
        """Return the cached value of a key, else load it with `load`. Raises the errors of `load`.

        Concurrent calls with the same key share one read.
        """
        pending = self._reads.get(key)
        if pending is None:
            pending = self._reads[key] = self._task(self._read(key, load))
            pending.add_done_callback(partial(self._read_ended, key))
        return await asyncio.shield(pending)

    async def write(self, key: str, value: V, version: int) -> None:
        """Store the value of a committed change, unless a later version is stored. Never raises."""
        try:
            async with self._redis.guard("cache.write"):
                await self._write(keys=_names(self._name, key), args=[version, *self._entry(value, version)])
        except Unavailable:
            self._drop_later(key)
        finally:
            self._reads.pop(key, None)  # not earlier: pending reads may have found the old value

    async def drop(self, key: str) -> None:
        """Delete a value that has changed. Never raises; while Redis is unavailable the deletion is repeated."""
        try:
            await self._drop(key)
        except Unavailable:
            self._drop_later(key)
        finally:
            self._reads.pop(key, None)  # as in write

    async def close(self) -> None:
        """Wait for pending reads, then stop all background work."""
        await asyncio.gather(*self._reads.values(), return_exceptions=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _read(self, key: str, load: Callable[[], Awaitable[V]]) -> V:
        token = secrets.token_hex(8)
        ends = time.monotonic() + WAIT
        while key not in self._undropped and time.monotonic() < ends:
            try:
                cached, leased = await self._look_up(key, token)
            except Unavailable:
                break
            if cached is not None:
                if leased:
                    self._task(self._refresh(key, token, load))
                self._metrics.cache.labels(self._name, "hit").inc()
                return cached.value
            if leased:
                return await self._load_for_all(key, token, load, "miss")
            await asyncio.sleep(POLL)  # another node is loading it
        return await self._load("bypass", load)

    def _read_ended(self, key: str, read: asyncio.Task[V]) -> None:
        if self._reads.get(key) is read:
            del self._reads[key]
        if not read.cancelled():
            read.exception()  # marks it as retrieved, in case no caller waits

    async def _look_up(self, key: str, token: str) -> tuple["_Cached[V] | None", bool]:
        """Return the cached value, and whether this caller got the lease to load it."""
        async with self._redis.guard("cache.look"):
            entry, leased = await self._look(
                keys=_names(self._name, key),
                args=[token, round(LEASE * 1000), round(self._lifetime * REFRESH * 1000)],
            )
            cached = None if entry is None else self._decode(entry)
            if cached is None and entry is not None and not leased:  # stored by another version of the gateway
                leased = await self._redis.client.set(
                    _names(self._name, key)[1], token, nx=True, px=round(LEASE * 1000)
                )
        return cached, bool(leased)

    async def _refresh(self, key: str, token: str, load: Callable[[], Awaitable[V]]) -> None:
        try:
            await self._load_for_all(key, token, load, "refresh")
        except Exception as error:  # the next read will try again
            log.warning("a cached value could not be refreshed", cache=self._name, reason=type(error).__name__)

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
        """Return the entry of a value, and its lifetime in ms."""
        lifetime = self._lifetime * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  not a secret
        return f"{version} {self._shape.dump_json(value).decode()}", round(lifetime * 1000)

    def _decode(self, entry: str) -> "_Cached[V] | None":
        try:
            return _Cached(self._shape.validate_json(entry.partition(" ")[2]))
        except ValidationError:
            return None  # stored by another version of the gateway

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


class _Cached(NamedTuple, Generic[V]):
    """A cached value, which may be None."""

    value: V


def _names(cache: str, key: str) -> list[str]:
    return [keys.cached(cache, key), keys.cache_lease(cache, key)]
