"""The connections to PostgreSQL: a bounded pool, bounded waiting, one kind of error. Used by all services that store.

The models of the main database find its pool through Tortoise's process-wide context, so a process has only one of them
open at a time. The models of another database find their pool within its `guard`.
"""

import asyncio
import copy
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import asyncpg
import structlog
from tortoise.backends.asyncpg.client import TransactionWrapper
from tortoise.context import TortoiseContext
from tortoise.exceptions import IntegrityError, OperationalError

from gateway.concurrency.outage import Outage
from gateway.concurrency.watch import ServerWatch
from gateway.errors import InvalidPayload, Unavailable
from gateway.metrics import Metrics
from gateway.postgres.client import WRAPPED, PostgresClient, cause
from gateway.postgres.configuration import configuration
from gateway.postgres.databases import MAIN, DatabaseSpec
from gateway.postgres.errors import AWAY, SILENT, UNSTORABLE, UNWRITABLE, constraint_error
from gateway.settings import Settings, SettingsError

log = structlog.get_logger()

PROBE = 1.0  # s for a probe, which connects, if DATABASE_TIMEOUT is shorter
READ_ONLY = "SELECT current_setting('transaction_read_only') = 'on' AS read_only"

# Allocates pages on the disk, and drops them with the transaction.
WRITE_PROBE = (
    "CREATE TEMP TABLE dorami_write_probe (filler text) ON COMMIT DROP",
    "INSERT INTO dorami_write_probe SELECT repeat(md5(n::text), 60) FROM generate_series(1, 200) n",
)


class Database:
    """One process's connections to one database. Use it only within `guard`, which bounds the call and maps its errors:

    async with database.guard("streams.get"):
        await Stream.get_or_none(key=key)

    While the database is known to be away, `guard` raises at once: with a frozen server only the first callers wait for
    the time-out, until a probe has failed, too. `watch` detects when it is back.
    """

    _client: PostgresClient  # while it is open

    def __init__(self, settings: Settings, metrics: Metrics, spec: DatabaseSpec = MAIN) -> None:
        self.name = spec.name
        self._spec = spec
        self._config = configuration(settings, spec)
        self._url = spec.url(settings)
        self._timeout = settings.database_timeout.total_seconds()
        self._metrics = metrics
        self._outage = Outage(f"the {spec.title} is away", f"the {spec.title} is back")
        tries = metrics.database_probes.labels(spec.name)
        self.watch = ServerWatch(spec.title, self._probe, settings.check_interval.total_seconds(), tries.inc)
        self._writes = Outage(f"the {spec.title} takes no writes", f"the {spec.title} takes writes again", quiet=0)
        self._writable = True  # by the last probe, or a write that was refused since
        self._context = TortoiseContext()

    async def open(self, *, required: bool = True) -> None:
        """Open the first connection, and watch the database from now on.

        Raises Unavailable if it is away. If it is not `required`, it is used as soon as it is back.
        """
        with self._context:  # only for this task, during init; other tasks find the context by the fallback
            await self._context.init(self._config, _enable_global_fallback=self._spec is MAIN)
        self._client = cast("PostgresClient", self._context.db())
        self._metrics.database_pools.watch("calls" if self._spec is MAIN else self.name, self._client.use)
        try:
            with mapped("open", self._outage, self._spec):
                await self._client.create_connection(with_db=True)
        except Unavailable:
            if required:
                await self.close()
                raise
            self.watch.leave()
        except BaseException:
            await self.close()
            raise
        self.watch.before_return(self._client.renew)
        self.watch.start()

    async def close(self) -> None:
        """Drop all connections, whether the server answers or not."""
        await self.watch.close()
        await self._context.close_connections()

    async def ping(self) -> bool:
        """Return whether PostgreSQL answers in time and accepts writes. Never raises.

        A read-only server reports it. A full disk is only noticed by a write, so after a failed write a small one is
        tried until it succeeds.
        """
        if self.watch.away and not await self.watch.check():
            return False
        try:
            async with self.guard("ping"):
                if (await self.query(READ_ONLY))[0]["read_only"]:
                    self._note_writable(False, reason="read only")
                elif not self._writable:
                    async with self.transaction():
                        for statement in WRITE_PROBE:
                            await self.query(statement)
                    self._note_writable(True)
        except Unavailable:
            return False
        except OperationalError:  # the account may not create temporary tables, so writes cannot be tested
            log.debug("writing could not be probed", exc_info=True)
            self._note_writable(True)
        return self._writable

    def _note_writable(self, writable: bool, **details: Any) -> None:
        self._writable = writable
        if self._spec is MAIN:
            self._metrics.database_writable.set(writable)
        if writable:
            self._writes.worked()
        else:
            self._writes.failed(**details)

    async def time(self) -> float:
        """Return the server's time, in s since 1970. Raises Unavailable."""
        async with self.guard("time"):
            (row,) = await self.query("SELECT extract(epoch FROM clock_timestamp())::float8 AS moment")
        return float(row["moment"])

    @asynccontextmanager
    async def guard(self, call: str) -> AsyncIterator[None]:
        """Bound and time a use of the database; `call` is its name in the metrics.

        Raises Unavailable, within DATABASE_TIMEOUT, for every failure of PostgreSQL, InvalidPayload for a text that no
        database can store, and ConstraintError.
        """
        if self.watch.away:
            self._metrics.database.labels(call, "unavailable").observe(0)
            raise Unavailable(self._spec.title)
        started = time.perf_counter()
        outcome = "failed"  # in the code that used the answer
        try:
            with mapped(call, self._outage, self._spec):
                async with asyncio.timeout(self._timeout):
                    if self._spec is MAIN:
                        yield
                    else:
                        with copy.copy(self._context):  # a copy, because it stores the previous context
                            yield
            outcome = "ok"
            self._outage.worked()
        except Unavailable as error:
            outcome = "unavailable"
            if isinstance(error.__cause__, UNWRITABLE):
                self._note_writable(False, call=call, reason=type(error.__cause__).__name__)
            elif isinstance(error.__cause__, SILENT) and error.what == self._spec.title:
                self.watch.failed(started)
            raise
        finally:
            ended = time.perf_counter()
            if outcome == "ok":
                self.watch.answered = ended
            self._metrics.database.labels(call, outcome).observe(ended - started)

    async def _probe(self) -> None:
        """Run a query on a connection of its own: those of the pool may all be in use, or dead."""
        async with asyncio.timeout(max(self._timeout, PROBE)):
            connection = await asyncpg.connect(self._url.get_secret_value(), statement_cache_size=0)
            try:
                await connection.fetchval("SELECT 1")
            finally:
                connection.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[TransactionWrapper]:
        """Open a transaction for the block, rolled back by an exception. All models use its connection."""
        async with self._client.transaction() as connection:
            yield connection

    async def query(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Return the rows of one SQL statement, on the connection of the enclosing block if there is one."""
        client = self._context.db()
        return await client.execute_query_dict(statement, list(values))


@contextmanager
def mapped(call: str, outage: Outage | None = None, spec: DatabaseSpec = MAIN) -> Iterator[None]:
    """Raise Unavailable for errors that mean that PostgreSQL is unavailable.

    They are logged to `outage`; a command, which has none, prints the error that it ends with.
    """
    try:
        yield
    except asyncpg.ClientConfigurationError:
        raise SettingsError([f"{spec.variable}: is not one that PostgreSQL can be reached by"]) from None
    except IntegrityError as error:
        raise constraint_error(error.__cause__) from None
    except (*AWAY, *WRAPPED) as error:
        real = cause(error)
        if isinstance(real, UNSTORABLE):
            raise InvalidPayload("A text has a character that cannot be stored") from None
        ours = isinstance(real, ValueError) and not isinstance(real, OSError)  # a refused certificate is both
        if ours or not isinstance(real, AWAY):
            raise  # a mistake of ours: a value of the wrong type, an invalid statement
        if outage is not None and not isinstance(real, UNWRITABLE):  # UNWRITABLE is logged as another outage
            outage.failed(call=call, reason=type(real).__name__)
        raise Unavailable(spec.title) from real
