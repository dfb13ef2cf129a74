"""The one publishing connection of a node: one order, one round trip for all that waits. Used by fanout_redis."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import redis.exceptions
import structlog

from gateway.connections.redis import AWAY, Channels

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

log = structlog.get_logger()

BATCH = 1000  # publications in one round trip
QUEUE = 10_000  # publications that may wait; a round trip is bounded, so more than this is Redis being away
BEAT = 1.0  # s between two canaries
PROBE = 0.25  # s between two tries while Redis is away


class Publication(NamedTuple):
    """What is to be published, and who waits for that."""

    channel: str
    data: bytes
    done: asyncio.Future[None]


class Publisher:
    """Publishes in the order of the calls.

    `away` while Redis takes nothing; publishing a canary now and then finds out when it does again. `failed()` is
    called whenever Redis takes nothing, before those who wait for it are released.
    """

    def __init__(self, server: Channels, canary: Callable[[], tuple[str, bytes]], failed: Callable[[], None]) -> None:
        self.away = False
        self._server = server
        self._command = "SPUBLISH" if server.sharded else "PUBLISH"
        self._canary = canary
        self._failed = failed
        self._queue: deque[Publication] = deque()
        self._waiting = asyncio.Event()
        self._connection: AbstractConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to publish."""
        self._tasks = [
            asyncio.create_task(self._run(), name="fanout-publisher"),
            asyncio.create_task(self._beat(), name="fanout-canary"),
        ]

    async def close(self) -> None:
        """Publish nothing any more; what waits has failed."""
        self.away = True  # not by a fault: nothing to warn of
        self._give_up([], reason="closed")
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self._disconnect()

    async def publish(self, channel: str, data: bytes) -> None:
        """Publish; returns when Redis has confirmed it or `failed` was called. Never raises; nothing while `away`."""
        if not self.away:
            await self._enqueue(channel, data)

    async def _enqueue(self, channel: str, data: bytes) -> None:
        if len(self._queue) >= QUEUE:
            self._give_up([], reason="too much waits")
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(Publication(channel, data, done))
        self._waiting.set()
        await done

    async def _beat(self) -> None:
        while True:
            await self._enqueue(*self._canary())
            await asyncio.sleep(PROBE * random.uniform(0.8, 1.2) if self.away else BEAT)  # noqa: S311  not all at once

    async def _run(self) -> None:
        while True:
            await self._waiting.wait()
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            if not self._queue:
                self._waiting.clear()
            try:
                async with asyncio.timeout(self._server.timeout):
                    await self._send(batch)
            except AWAY as error:
                self._give_up(batch, reason=type(error).__name__)
                await self._disconnect()
            except Exception as error:
                log.exception("publishing failed")
                self._give_up(batch, reason=type(error).__name__)
                await self._disconnect()
            except asyncio.CancelledError:
                self._give_up(batch, reason="closed")
                raise
            else:
                if self.away:
                    log.warning("redis takes broadcasts again")
                self.away = False
                self._release(batch)

    async def _send(self, batch: list[Publication]) -> None:
        reused = self._connection is not None
        try:
            await self._exchange(batch)
        except redis.exceptions.ConnectionError:
            if not reused:
                raise
            # Cut while idle, or in the middle: who heard some of it already drops them by their numbers.
            await self._disconnect()
            await self._exchange(batch)

    async def _exchange(self, batch: list[Publication]) -> None:
        if self._connection is None:
            self._connection = self._server.connection()
        connection = self._connection
        await connection.connect()  # type: ignore[no-untyped-call]
        commands = connection.pack_commands([(self._command, item.channel, item.data) for item in batch])
        await connection.send_packed_command(commands, check_health=False)
        for _ in batch:
            await connection.read_response()

    def _give_up(self, batch: list[Publication], *, reason: str) -> None:
        if not self.away:
            log.warning("redis takes no broadcasts: they reach only this node", reason=reason)
        self.away = True
        self._failed()
        self._release([*batch, *self._queue])
        self._queue.clear()
        self._waiting.clear()

    def _release(self, batch: list[Publication]) -> None:
        for item in batch:
            if not item.done.done():
                item.done.set_result(None)

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.disconnect(nowait=True)
            self._connection = None
