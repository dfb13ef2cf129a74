"""The publishing connection to one Redis server: keeps the order and batches round trips. Used by RedisChannels."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import redis.exceptions
import structlog

from gateway.concurrency.tasks import cancel
from gateway.concurrency.timeouts import FairTimeout
from gateway.redis.client import PubSubServer
from gateway.redis.pool import AWAY
from gateway.redis.replies import ReplyReader

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

log = structlog.get_logger()

BATCH = 1000  # publications in one round trip
QUEUE_HIGH = 1000  # queued publications at which publishers must wait
QUEUE_MAX = 10_000  # queued publications at which Redis counts as unavailable: a round trip has a time limit
BEAT = 1.0  # s between two canaries
PROBE = 0.25  # s between two canaries while Redis is unavailable


class Publisher:
    """Publishes in the order of the calls; calls during one round trip share the next.

    `away` is True while Redis does not accept publications; canaries detect when it does again. `failed()` is called
    whenever publications fail, before the callers that wait for them continue.
    """

    def __init__(
        self, server: PubSubServer, canary: Callable[[], tuple[str, bytes]], failed: Callable[[], None]
    ) -> None:
        self.away = False
        self._server = server
        # The encoded command up to the channel: encoding it with redis-py takes 5 µs.
        self._head = b"*3\r\n$8\r\nSPUBLISH\r\n" if server.sharded else b"*3\r\n$7\r\nPUBLISH\r\n"
        self._canary = canary
        self._failed = failed
        self._queue: deque[bytes] = deque()
        self._accepted = 0  # publications so far
        self._settled = 0  # how many of them were confirmed or have failed
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()  # with the number that must be settled
        self._waiting = asyncio.Event()
        self._connection: AbstractConnection | None = None
        self._replies: ReplyReader | None = None  # of the open connection
        self._renewing = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start to publish."""
        self._tasks = [
            asyncio.create_task(self._run(), name="fanout-publisher"),
            asyncio.create_task(self._beat(), name="fanout-canary"),
        ]

    async def close(self) -> None:
        """Publish what is queued, if Redis is available, and stop."""
        if self._tasks and not self.away:
            await self.settled()
        self.away = True  # before _give_up, so that it logs no warning
        self._give_up(reason="closed")
        await cancel(*self._tasks)
        await self._disconnect()

    def publish(self, channel: str, data: bytes) -> None:
        """Queue a publication; drop it while `away`."""
        if not self.away:
            self._enqueue(channel, data)

    def renew(self) -> None:
        """Use a new connection from the next publication on: the address may lead to another server now."""
        self._renewing = True

    @property
    def congested(self) -> bool:
        """Whether publishers should wait for `settled`."""
        return len(self._queue) >= QUEUE_HIGH

    async def settled(self) -> None:
        """Wait until all publications so far are confirmed or have failed. Never raises."""
        if self._settled < self._accepted:
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((self._accepted, settled))
            await settled

    def _enqueue(self, channel: str, data: bytes) -> None:
        if len(self._queue) >= QUEUE_MAX:
            self._give_up(reason="queue full")
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
                    log.warning("redis available again for broadcasts")
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
            # Closed while idle, or in the middle: nodes that received a part drop it by the numbers.
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
            log.warning("redis unavailable for broadcasts: they reach only this node", reason=reason)
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
