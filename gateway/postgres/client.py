"""Tortoise's PostgreSQL client with bounded waiting, which loses no connection. Tortoise loads this module by name."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import asyncpg
from pydantic import SecretStr
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.connection import get_connections
from tortoise.exceptions import OperationalError, TransactionManagementError

from gateway.instruments import PoolUse

# After these the state of the connection is unknown, and a hung server could delay any query for it. So the connection
# is dropped; the server then rolls back an open transaction.
BROKEN = (asyncio.CancelledError, TimeoutError, OSError)

# A server that answers with these refuses writes, or is about to end the connection. The next connection may reach
# another server: a standby that was promoted, or the same server when it accepts writes again.
GIVEN_UP = (
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.DatabaseDroppedError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
)


LAST_BUILT_IN = 9999  # the last type id that PostgreSQL assigns by hand; later ones differ between servers

_built_in: dict[frozenset[int], Any] = {}  # descriptions of built-in types by their ids
_NO_STATEMENT = SimpleNamespace(name="no")  # has not replaced the statement without a name

_custom_plans: ContextVar[bool] = ContextVar("custom_plans", default=False)


@contextmanager
def custom_plans() -> Iterator[None]:
    """Have PostgreSQL plan each statement of the block for its values.

    For statements whose best plan depends on the values: optional filters, a common word or a rare one. A cached plan
    is the same for all of them. It costs a round trip, and the planning. Through PgBouncer all statements are planned
    like this.
    """
    token = _custom_plans.set(True)
    try:
        yield
    finally:
        _custom_plans.reset(token)


class PooledConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that is not reset between two uses, which saves a round trip: our statements leave no state."""

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        """Return the rows of a statement; within `custom_plans` it has no name, so PostgreSQL caches no plan."""
        if not _custom_plans.get() or not self._stmt_cache_enabled:
            return await super().fetch(query, *args, **options)
        statement = await self.prepare(query, name="")
        return await statement.fetch(*args, **options)

    async def _introspect_types(self, typeoids: Iterable[int], timeout: float | None) -> tuple[Any, Any]:  # noqa: ASYNC109
        """Return what asyncpg asks about types without a codec, such as uuid[], and the statement that it used.

        PostgreSQL takes some milliseconds to answer, and asyncpg asks on each connection. Built-in types are the same
        on every server, so one answer holds for all connections of the process.
        """
        asked = frozenset(typeoids)
        if (types := _built_in.get(asked)) is not None:
            return types, _NO_STATEMENT
        types, statement = await super()._introspect_types(typeoids, timeout)
        if max(asked) <= LAST_BUILT_IN:
            _built_in[asked] = types
        return types, statement

    def get_reset_query(self) -> str:
        """Return no statement."""
        return ""


class PostgresClient(AsyncpgDBClient):
    """The pool behind all models. `dsn` and `pool` are in the credentials, whose other items are not used."""

    def __init__(self, dsn: SecretStr, pool: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._dsn = dsn
        self._options = pool
        self._leases = 0  # connections in use
        self._waiting = 0  # callers that wait for one

    async def create_connection(self, with_db: bool) -> None:  # noqa: ARG002  the name is Tortoise's
        """Open the pool."""
        self._pool = await asyncpg.create_pool(
            self._dsn.get_secret_value(), connection_class=PooledConnection, **self._options
        )
        await self._post_connect()

    async def close(self) -> None:
        """Close the pool without waiting for a server that hangs."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def renew(self) -> None:
        """Replace each connection before its next use: after an outage the open ones may be dead."""
        if self._pool is not None:
            await self._pool.expire_connections()

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Any]:
        """Acquire a connection from the pool. Raises TimeoutError if none is free in time."""
        async with self._pool_init_lock:
            if self._pool is None:
                await self.create_connection(with_db=True)
            pool: Any = self._pool
        seconds = self._options["timeout"]
        self._waiting += 1
        try:
            # Not the time-out of asyncpg, which uses asyncio.wait_for: on Python 3.11 it can swallow a cancellation.
            async with asyncio.timeout(seconds):
                connection = await pool.acquire()
        finally:
            self._waiting -= 1
        self._leases += 1
        try:
            yield connection
        except BROKEN:
            connection.terminate()
            raise
        except Exception as error:
            if isinstance(cause(error), GIVEN_UP):
                connection.terminate()
            raise
        finally:
            self._leases -= 1
            await pool.release(connection, timeout=seconds)

    def use(self) -> PoolUse:
        """Return the use of the pool. Connections that asyncpg counts as in use, but no caller has, are lost."""
        pool: Any = self._pool
        size = self._options["max_size"]
        in_use = 0 if pool is None else size - pool._queue.qsize()  # noqa: SLF001  the public size counts only open ones
        waiting = max(0, self._waiting - max(0, in_use - self._leases))  # the others are connecting
        return PoolUse(in_use, waiting, size, max(0, in_use - self._leases - self._waiting))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[TransactionWrapper]:
        """Open a transaction on a connection of its own; all models use it during the block."""
        async with self.lease() as connection:
            client = TransactionWrapper(self)
            client._connection = connection  # noqa: SLF001  as Tortoise's own transactions do
            connections = get_connections()
            token = connections.set(self.connection_name, client)
            try:
                async with begin(client):
                    yield client
            finally:
                connections.reset(token)

    def acquire_connection(self) -> AbstractAsyncContextManager[Any]:  # type: ignore[override]
        """Return the executor of single statements, for Tortoise."""
        return self.lease()

    def _in_transaction(self) -> AbstractAsyncContextManager[TransactionWrapper]:  # type: ignore[override]
        return self.transaction()


WRAPPED = (OperationalError, TransactionManagementError)  # the errors in which Tortoise wraps asyncpg's


def cause(error: BaseException) -> BaseException:
    """Return the exception of asyncpg, if Tortoise has wrapped it."""
    return error.__cause__ if isinstance(error, WRAPPED) and error.__cause__ is not None else error


@asynccontextmanager
async def begin(client: TransactionWrapper) -> AsyncIterator[None]:
    """Open a transaction on one connection: committed at the end of the block, rolled back by an exception."""
    transaction = client._connection.transaction()  # noqa: SLF001  as Tortoise's own transactions do
    await transaction.start()
    try:
        yield
    except BROKEN:
        raise  # the connection is dropped with its open transaction
    except BaseException:
        await transaction.rollback()
        raise
    await transaction.commit()


client_class = PostgresClient
