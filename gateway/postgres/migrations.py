"""Migrations: applied once, however many nodes start at the same time. Called by the command line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog
from aerich import Command
from tortoise.context import TortoiseContext

from gateway.errors import Unavailable
from gateway.keys import MIGRATION_LOCK
from gateway.postgres.database import configuration, mapped
from gateway.postgres.databases import MAIN, DatabaseSpec
from gateway.settings import Settings

log = structlog.get_logger()

POLL = 0.1  # s between two tries for the lock
LOCK_WAIT = 300.0  # s for another node's migrations; longer means that it is stuck


async def pending(settings: Settings, spec: DatabaseSpec = MAIN) -> list[str]:
    """Return the names of the migrations that are missing, in their order. Raises Unavailable."""
    async with connection(settings, spec) as db:
        return await _pending(db, spec)


async def migrate(settings: Settings, spec: DatabaseSpec = MAIN) -> list[str]:
    """Apply the migrations that are missing and return their names. Raises Unavailable.

    Each is one transaction, together with the note that it was applied: a process that is killed leaves nothing behind.
    """
    async with connection(settings, spec) as db:
        if not await _pending(db, spec):
            return []
        async with lock(db):
            # In a task of its own aerich's context ends with it.
            return await asyncio.create_task(_upgrade(settings, spec), name="migrate")


@asynccontextmanager
async def lock(db: Any) -> AsyncIterator[None]:
    """Hold the lock of migrations. Raises Unavailable after LOCK_WAIT.

    The lock belongs to a transaction: behind PgBouncer a session's lock would stay on the pooled connection. It is
    polled, because a waiter inside PostgreSQL holds a snapshot, for which CREATE INDEX CONCURRENTLY would wait.
    """
    tries = round(LOCK_WAIT / POLL)
    for _ in range(tries):
        transaction = db.transaction()
        await transaction.start()
        if await db.fetchval("SELECT pg_try_advisory_xact_lock($1)", MIGRATION_LOCK):
            break
        await transaction.rollback()
        await asyncio.sleep(POLL)
    else:
        raise Unavailable("migrations")
    await db.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    try:
        yield
    finally:
        await transaction.rollback()


async def generate(settings: Settings, name: str, spec: DatabaseSpec = MAIN) -> str | None:
    """Write the migration for what the models say anew and return its name; None if they say nothing new.

    The database must be up to date. What aerich cannot express is added to the file by hand.
    """
    return await asyncio.create_task(_generate(settings, name, spec), name="generate")


async def _generate(settings: Settings, name: str, spec: DatabaseSpec) -> str | None:
    with mapped("generate", spec=spec):
        async with _aerich(settings, spec) as command:
            return await command.migrate(name, no_input=True) or None


async def _upgrade(settings: Settings, spec: DatabaseSpec) -> list[str]:
    with mapped("migrate", spec=spec):
        async with _aerich(settings, spec) as command:
            return [name.removesuffix(".py") for name in await command.upgrade()]


@asynccontextmanager
async def _aerich(settings: Settings, spec: DatabaseSpec) -> AsyncIterator[Command]:
    async with TortoiseContext():
        command = Command(
            configuration(settings, spec, "aerich.models", patient=True), spec.label, str(spec.migrations.parent)
        )
        await command.init()
        yield command


async def _pending(db: Any, spec: DatabaseSpec) -> list[str]:
    try:
        rows = await db.fetch("SELECT version FROM aerich WHERE app = $1", spec.label)
    except asyncpg.UndefinedTableError:
        rows = []
    applied = {row["version"].removesuffix(".py") for row in rows}
    files = sorted(spec.migrations.glob("[0-9]*_*.py"), key=lambda file: int(file.stem.partition("_")[0]))
    return [file.stem for file in files if file.stem not in applied]


@asynccontextmanager
async def connection(settings: Settings, spec: DatabaseSpec = MAIN) -> AsyncIterator[Any]:
    """A connection of its own to the database, without a pool. Raises Unavailable."""
    with mapped("migrate", spec=spec):
        db = await asyncpg.connect(
            spec.url(settings).get_secret_value(),
            timeout=settings.database_timeout.total_seconds(),
            statement_cache_size=0,  # each statement is asked once, and PgBouncer may serve it on any connection
        )
        try:
            yield db
        finally:
            db.terminate()
