"""Applies and undoes migrations, each once even if several processes start together. Called by the command line.

A migration is one transaction: the lock of migrations, the file's statements and their record are committed together,
so a process that is killed leaves nothing behind. The lock belongs to the transaction, because behind PgBouncer a
session's lock would stay on the pooled connection. No statement waits long for a lock on a table, because later
statements of others wait behind it: it fails, and is repeated.
"""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import asyncpg
import structlog

from gateway.errors import Unavailable
from gateway.keys import MIGRATION_LOCK
from gateway.postgres.client import BROKEN
from gateway.postgres.database import mapped
from gateway.postgres.databases import MAIN, DatabaseSpec, configured
from gateway.postgres.errors import AWAY
from gateway.postgres.migration_files import Migration, MigrationError, MigrationsLocked, Status, read
from gateway.postgres.migration_records import MigrationRecords, invalid_indexes
from gateway.settings import Settings

log = structlog.get_logger()

POLL: Final = 0.1  # s between two tries for the lock of migrations
WAIT: Final = 300.0  # s for another process's migrations; longer means that it is stuck
LOCK_TIMEOUT: Final = 0.5  # s that a statement waits for a lock on a table; others wait behind it
LOCK_PAUSE: Final = (0.5, 1.5)  # s until it is repeated, at random
LOCK_WAIT: Final = 60.0  # s after which it is not repeated
STEP: Final = 3600.0  # s that one migration may take without its waiting for locks
SHORT: Final = 30.0  # s that any other statement may take

_INDEX = re.compile(
    r"\s*(?:CREATE\s+(?:UNIQUE\s+)?|DROP\s+)INDEX\s+CONCURRENTLY\s+(?P<careful>IF\s+(?:NOT\s+)?EXISTS\s+)?\"?(?P<name>\w+)\"?",
    re.IGNORECASE,
)

# The server's own limits for sessions and transactions would end a long migration.
_NO_LIMITS = """
SELECT set_config(name, '0', true) FROM pg_settings
WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')"""


class Migrations:
    """The migrations of one database.

    Args:
        label: The name of the database in aerich's table.
        files: All migrations of the database.
        url: The URL of the database.
        spec: The database, for the texts of errors.
        pooled: Whether connections go through PgBouncer, where settings of a session are impossible.
        timeout: s for a connection.
        wait: s for another process's migrations.
        lock_wait: s for locks on tables.

    Every method raises Unavailable if the database is away, and MigrationError.
    """

    def __init__(
        self,
        label: str,
        files: Sequence[Migration],
        url: str,
        *,
        spec: DatabaseSpec = MAIN,
        pooled: bool = False,
        timeout: float = 5.0,
        wait: float = WAIT,
        lock_wait: float = LOCK_WAIT,
    ) -> None:
        self.label = label
        self.files = files
        self._records = MigrationRecords(label, files)
        self._url = url
        self._spec = spec
        self._pooled = pooled
        self._timeout = timeout
        self._wait = wait
        self._lock_wait = lock_wait

    @classmethod
    def of(
        cls, settings: Settings, spec: DatabaseSpec = MAIN, *, wait: float = WAIT, lock_wait: float = LOCK_WAIT
    ) -> "Migrations":
        """Return the migrations of a database of the settings. Raises SettingsError if it has no URL there."""
        direct = spec.direct_url(settings)
        return cls(
            spec.label,
            read(spec.migrations),
            (direct or spec.url(settings)).get_secret_value(),
            spec=spec,
            pooled=settings.database_pgbouncer and direct is None,
            timeout=settings.database_timeout.total_seconds(),
            wait=wait,
            lock_wait=lock_wait,
        )

    async def status(self) -> Status:
        """Return the applied and pending migrations."""
        async with self._connection() as db:
            return await self._records.status(db)

    async def apply(self, to: int | None = None, done: Callable[[Migration], None] | None = None) -> list[str]:
        """Apply pending migrations, up to a number or all, and return their names; call `done` after each."""
        names: list[str] = []
        async with self._connection() as db:
            while step := await self._step(db, lambda status: status.to_apply(to), self._apply):
                names.append(step.name)
                if done is not None:
                    done(step)
        return names

    async def rollback(
        self, *, count: int | None = None, to: int | None = None, done: Callable[[Migration], None] | None = None
    ) -> list[str]:
        """Undo the last `count`, or all after the number `to`, and return their names; call `done` after each."""
        async with self._connection() as db:
            todo = (await self._records.status(db)).to_undo(count=count, to=to)
            for migration in todo:
                await self._step(db, partial(_newest, migration), self._undo)
                if done is not None:
                    done(migration)
        return [migration.name for migration in todo]

    async def note(self, name: str, *, applied: bool) -> None:
        """Record a migration as applied or not applied, without running it.

        For a database that was created in another way, or repaired by hand.
        """
        migration = next((migration for migration in self.files if migration.name == name), None)
        if migration is None:
            raise MigrationError(f"there is no migration {name}")
        async with self._connection() as db, self._lock(db):
            status = await self._records.prepared(db)
            known = name in {applied.name for applied in status.applied}
            if known and applied:
                raise MigrationError(f"{name} is applied")
            if not known and not applied:
                raise MigrationError(f"{name} is not applied")
            await (self._records.add(db, migration, None) if applied else self._records.remove(db, migration))

    async def _step(
        self,
        db: Any,
        choose: Callable[[Status], Sequence[Migration]],
        work: Callable[[Any, Migration], Awaitable[None]],
    ) -> Migration | None:
        """Apply or undo the first chosen migration under the lock; return it, or None if none is chosen."""
        deadline = time.monotonic() + self._lock_wait
        while True:
            name = ""
            try:
                async with self._lock(db):
                    todo = choose(await self._records.prepared(db))
                    if not todo:
                        return None
                    name = todo[0].name
                    await work(db, todo[0])
                    return todo[0]
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
                if time.monotonic() >= deadline:
                    problem = f"{name}: somebody else has held a lock that it needs for {self._lock_wait:g} s"
                    raise MigrationsLocked(problem) from error
                log.info("a migration waits for a lock of others and is repeated", migration=name)
                await asyncio.sleep(random.uniform(*LOCK_PAUSE))  # noqa: S311  nothing to guess
            except TimeoutError as error:
                raise MigrationError(f"{name}: has taken longer than {STEP:g} s") from error
            except asyncpg.PostgresError as error:
                if isinstance(error, AWAY):
                    raise
                raise MigrationError(f"{name}: {error.args[0]}") from error  # without details: they quote rows

    async def _apply(self, db: Any, migration: Migration) -> None:
        started = time.monotonic()
        await self._run(db, migration, await migration.up())
        await self._records.add(db, migration, round(time.monotonic() - started, 3))

    async def _undo(self, db: Any, migration: Migration) -> None:
        statements = await migration.down()
        if not statements.strip():
            raise MigrationError(f"{migration.name} has no downgrade")
        await self._run(db, migration, statements)
        await self._records.remove(db, migration)

    async def _run(self, db: Any, migration: Migration, statements: str) -> None:
        if migration.in_transaction:
            await db.execute(statements, timeout=STEP)
        else:
            # The last statement keeps its snapshot until the next one, and the migration would wait for it.
            await db.execute("SELECT 1")
            async with self._connection() as own:
                await self._run_alone(own, migration, statements)

    async def _run_alone(self, db: Any, migration: Migration, statement: str) -> None:
        """Run one statement without a transaction.

        If the process is killed before the record is committed it is run again, so a repetition must be harmless. For
        the creation of an index it is not: an interrupted one leaves an INVALID index, which is dropped first.
        """
        index = _INDEX.match(statement)
        if index is not None and not index["careful"]:
            raise MigrationError(f"{migration.name} may be run again: it needs IF EXISTS or IF NOT EXISTS")
        # While it waits for locks and for earlier transactions, nothing waits behind it.
        if not self._pooled:  # PgBouncer would give the connection with its settings to another client
            await db.execute(f"SET lock_timeout = '{self._lock_wait:.3f}s'; SET statement_timeout = 0")
        if index is not None and index["name"] in await invalid_indexes(db):
            await db.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{index["name"]}"', timeout=STEP)
        try:
            await db.fetch(statement, timeout=STEP)  # in the protocol that accepts exactly one statement
        except asyncpg.PostgresSyntaxError as error:
            if "multiple commands" in str(error):
                raise MigrationError(f"{migration.name} has several statements, and no transaction") from error
            raise

    @asynccontextmanager
    async def _lock(self, db: Any) -> AsyncIterator[None]:
        """Open a transaction with the lock of migrations. Raises MigrationsLocked.

        It is polled, because a waiter inside PostgreSQL holds a snapshot, for which CREATE INDEX CONCURRENTLY waits.
        """
        deadline = time.monotonic() + self._wait
        while True:
            transaction = db.transaction()
            await transaction.start()
            if await db.fetchval("SELECT pg_try_advisory_xact_lock($1)", MIGRATION_LOCK):
                break
            await transaction.rollback()
            if time.monotonic() >= deadline:
                raise MigrationsLocked(f"another process has been applying migrations for {self._wait:g} s")
            await asyncio.sleep(POLL)
        try:
            await db.execute(_NO_LIMITS)
            await db.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'")
            yield
        except BROKEN:
            raise  # the connection is dropped, and the server rolls back
        except BaseException:
            if not db.is_closed():
                await transaction.rollback()
            raise
        await transaction.commit()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """Open a connection without a pool. Raises Unavailable."""
        with mapped("migrate", spec=self._spec):
            db = await asyncpg.connect(
                self._url,
                timeout=self._timeout,
                command_timeout=SHORT,
                statement_cache_size=0,  # each statement is sent once, and PgBouncer may run it on any connection
            )
            try:
                yield db
            finally:
                db.terminate()


async def pending(settings: Settings, spec: DatabaseSpec = MAIN) -> list[str]:
    """Return the names of the missing migrations in order. Raises Unavailable."""
    return [migration.name for migration in (await Migrations.of(settings, spec).status()).pending]


async def migrate(settings: Settings, spec: DatabaseSpec = MAIN) -> list[str]:
    """Apply the missing migrations and return their names. Raises Unavailable and MigrationError."""
    return await Migrations.of(settings, spec).apply()


async def migrate_optional(settings: Settings) -> list[str]:
    """Migrate the databases besides the main one that are available; return the names of applied migrations."""
    names: list[str] = []
    for spec in configured(settings):
        if spec is not MAIN:
            try:
                names += await migrate(settings, spec)
            except Unavailable:
                log.warning("a database was not migrated, it is away", database=spec.name)
    return names


def _newest(expected: Migration, status: Status) -> Sequence[Migration]:
    if not status.applied or status.applied[-1].name != expected.name:
        raise MigrationError(f"{expected.name} is no longer the newest: somebody else has changed the database")
    return [expected]
