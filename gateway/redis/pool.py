"""A bounded pool of connections to one Redis server. Used by the client and by each server of a cluster.

redis-py's `BlockingConnectionPool` awaits locks while it takes a connection back: a call that is cancelled there never
returns its connection. Here connections are taken and returned without a suspension point.
"""

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import Any

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ConnectionError, RedisError  # noqa: A004

from gateway.instruments import PoolUse

AWAY = (RedisError, OSError, TimeoutError)  # the errors that redis-py raises when a command fails
LOST = 10  # times the time-out of a call, after which no call can still use a connection


class BoundedPool(ConnectionPool):
    """A pool of at most `max_connections`; callers wait up to `timeout` s for a free one, in order."""

    def __init__(self, *, timeout: float, **options: Any) -> None:
        super().__init__(**options)
        self._timeout = timeout
        self._since: dict[AbstractConnection, float] = {}  # connections in use, and when they were taken
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._granted = 0  # connections granted to waiters that have not run yet

    async def get_connection(self, command_name: str | None = None, *keys: Any, **options: Any) -> AbstractConnection:  # noqa: ARG002  redis-py's own arguments
        """Take an open connection. Raises redis-py's ConnectionError when none gets free in time."""
        if self._full() or self._waiters:
            await self._wait()
        connection = self.get_available_connection()  # type: ignore[no-untyped-call]
        self._since[connection] = time.monotonic()
        try:
            if not await _ready(connection):
                await self.ensure_connection(connection)
        except BaseException:
            self._give_back(connection)
            raise
        taken: AbstractConnection = connection
        return taken

    async def release(self, connection: AbstractConnection) -> None:
        """Return a connection to the pool, even if this is cancelled."""
        try:
            if connection.should_reconnect():  # type: ignore[no-untyped-call]
                await connection.disconnect(nowait=True)
        finally:
            self._give_back(connection)

    def use(self) -> PoolUse:
        """Return the use of the pool. A connection counts as lost after more time in use than any call may take."""
        before = time.monotonic() - LOST * self._timeout
        lost = sum(since < before for since in self._since.values())
        return PoolUse(len(self._since), sum(not waiter.done() for waiter in self._waiters), self.max_connections, lost)

    def _full(self) -> bool:
        return len(self._since) + self._granted >= self.max_connections

    async def _wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._timeout):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self._granted -= 1
                self._grant()
            else:
                with suppress(ValueError):
                    self._waiters.remove(waiter)
            if isinstance(error, TimeoutError):
                raise ConnectionError("no connection is free") from None
            raise
        self._granted -= 1

    def _grant(self) -> None:
        while self._waiters and not self._full():
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._granted += 1

    def _give_back(self, connection: AbstractConnection) -> None:
        if self._since.pop(connection, None) is None:
            return
        self._in_use_connections.discard(connection)
        self._available_connections.append(connection)
        self._grant()


async def _ready(connection: AbstractConnection) -> bool:
    """Return whether a connection is open and has no unread data, which no call has asked for."""
    try:
        return connection.is_connected and not await connection.can_read()
    except ConnectionError:
        return False
