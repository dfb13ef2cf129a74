"""The one publishing connection of a node: one order, one round trip for all that waits. Used by line_redis."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import redis.exceptions
import structlog

from gateway.concurrency.tasks import cancel
from gateway.concurrency.timeouts import FairTimeout
from gateway.redis.client import AWAY, PubSubServer
from gateway.redis.replies import ReplyReader

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

log = structlog.get_logger()

BATCH = 1000  # publications in one round trip
CROWDED = 1000  # publications that wait; from here on who publishes shall wait, too
QUEUE = 10_000  # publications that may wait; a round trip is bounded, so more than this is Redis being away
BEAT = 1.0  # s between two canaries
PROBE = 0.25  # s between two tries while Redis is away


class Publisher:
    """Publishes in the order of the calls, all that comes during one round trip in the next.

    `away` while Redis takes nothing; publishing a canary now and then finds out when it does again. `failed()` is
    called whenever Redis takes nothing, before those who wait for it are released.
    """

    def __init__(
        self, server: PubSubServer, canary: Callable[[], tuple[str, bytes]], failed: Callable[[], None]
    ) -> None:
        self.away = False
        self._server = server
        # The command as Redis reads it, up to the channel: redis-py takes 5 µs to write the same.
        self._head = b"*3\r\n$8\r\nSPUBLISH\r\n" if server.sharded else b"*3\r\n$7\r\nPUBLISH\r\n"
        self._canary = canary
        self._failed = failed
        self._queue: deque[bytes] = deque()
        self._accepted = 0  # publications so far, and how many of them are settled
        self._settled = 0
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()  # for how many to be settled
        self._waiting = asyncio.Event()
        self._connection: AbstractConnection | None = None
        self._replies: ReplyReader | None = None  # of the connection, when it is open
        self._renewing = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to publish."""
        self._tasks = [
            asyncio.create_task(self._run(), name="fanout-publisher"),
            asyncio.create_task(self._beat(), name="fanout-canary"),
        ]

    async def close(self) -> None:
        """Publish what waits, if Redis takes it, and nothing any more."""
        if self._tasks and not self.away:
            await self.settled()
        self.away = True  # not by a fault: nothing to warn of
        self._give_up(reason="closed")
        await cancel(*self._tasks)
        await self._disconnect()

    def publish(self, channel: str, data: bytes) -> None:
        """Publish, with all that is published meanwhile. Nothing while `away`."""
        if not self.away:
            self._enqueue(channel, data)

    def renew(self) -> None:
        """Publish what comes next on a new connection: the server may not be the one any more."""
        self._renewing = True

    @property
    def crowded(self) -> bool:
        """Whether who publishes should wait until that is settled."""
        return len(self._queue) >= CROWDED

    async def settled(self) -> None:
        """Wait until Redis has confirmed all that was published so far, or `failed` was called. Never raises."""
        if self._settled < self._accepted:
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((self._accepted, settled))
            await settled

    def _enqueue(self, channel: str, data: bytes) -> None:
        if len(self._queue) >= QUEUE:
            self._give_up(reason="too much waits")
            return
        name = channel.encode()
        self._queue.append(b"%b$%d\r\n%b\r\n$%d\r\n%b\r\n" % (self._head, len(name), name, len(data), data))
        self._accepted += 1
        if len(self._queue) == 1:
            self._waiting.set()

    async def _beat(self) -> None:
        while True:
            self._enqueue(*self._canary())
            await self.settled()
            await asyncio.sleep(PROBE * random.uniform(0.8, 1.2) if self.away else BEAT)  # noqa: S311  not all at once

    async def _run(self) -> None:
        while True:
            await self._waiting.wait()
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            through = self._accepted - len(self._queue)
            if not self._queue:
                self._waiting.clear()
            try:
                async with FairTimeout(self._server.timeout):
                    await self._send(batch)
            except AWAY as error:
                self._give_up(reason=type(error).__name__)
                await self._disconnect()
            except Exception as error:
                log.exception("publishing failed")
                self._give_up(reason=type(error).__name__)
                await self._disconnect()
            except asyncio.CancelledError:
                self._give_up(reason="closed")
                raise
            else:
                if self.away:
                    log.warning("redis takes broadcasts again")
                self.away = False
                self._settle(through)

    async def _send(self, batch: list[bytes]) -> None:
        if self._renewing:
            self._renewing = False
            await self._disconnect()
        reused = self._replies is not None
        try:
            await self._exchange(batch)
        except (redis.exceptions.ConnectionError, ConnectionError):
            if not reused:
                raise
            # Cut while idle, or in the middle: who heard some of it already drops them by their numbers.
            await self._disconnect()
            await self._exchange(batch)

    async def _exchange(self, batch: list[bytes]) -> None:
        if self._connection is None or self._replies is None:
            self._connection = self._server.connection()
            await self._connection.connect()  # type: ignore[no-untyped-call]
            self._replies = ReplyReader(self._connection)
        await self._connection.send_packed_command(b"".join(batch), check_health=False)
        answers = 0
        while answers < len(batch):
            answers += len(await self._replies.some())

    def _give_up(self, *, reason: str) -> None:
        if not self.away:
            log.warning("redis takes no broadcasts: they reach only this node", reason=reason)
        self.away = True
        self._failed()
        self._queue.clear()
        self._waiting.clear()
        self._settle(self._accepted)

    def _settle(self, through: int) -> None:
        self._settled = max(self._settled, through)
        while self._waiters and self._waiters[0][0] <= self._settled:
            _, settled = self._waiters.popleft()
            if not settled.done():
                settled.set_result(None)

    async def _disconnect(self) -> None:
        self._replies = None
        if self._connection is not None:
            await self._connection.disconnect(nowait=True)
            self._connection = None
