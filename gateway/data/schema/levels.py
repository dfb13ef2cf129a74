"""Migrations as steps of SQL, and scratch databases at a level of them. Called by drift, plans and drafts."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.data.schema.scratch import scratch
from gateway.data.target import Target
from gateway.postgres.migration_files import Migration, read

PUSHED = "SELECT name, up, down, text FROM dorami_pushed WHERE label = $1 ORDER BY id"


@dataclass(frozen=True)
class Step:
    """The SQL of one migration in one direction."""

    name: str
    sql: str
    in_transaction: bool = True


@dataclass(frozen=True)
class Pushed:
    """A draft that was applied without a file."""

    name: str
    up: str
    down: str
    text: str  # of its file, if it had one


async def up(migration: Migration) -> Step:
    """Return the statements that apply a migration."""
    return Step(migration.name, (await migration.up()).strip(), migration.in_transaction)


async def down(migration: Migration) -> Step:
    """Return the statements that undo a migration."""
    return Step(migration.name, (await migration.down()).strip(), migration.in_transaction)


async def ups(migrations: Iterable[Migration]) -> list[Step]:
    """Return the statements that apply these migrations."""
    return [await up(migration) for migration in migrations]


async def take(connection: Any, chosen: Iterable[Step]) -> None:
    """Run steps on a scratch database."""
    for one in chosen:
        if one.in_transaction:
            async with connection.transaction():
                await connection.execute(one.sql)
        elif one.sql:
            await connection.execute(one.sql.rstrip(";"))


@asynccontextmanager
async def scratch_at(target: Target, applied: Collection[str], *, beside: str | None = None) -> AsyncIterator[Any]:
    """Open a connection to a scratch database with these migrations; names without a file are ignored."""
    chosen = await ups(migration for migration in read(target.spec.migrations) if migration.name in applied)
    async with scratch(target.url, beside=beside) as connection:
        await take(connection, chosen)
        yield connection


async def pushed(connection: Any, label: str) -> Sequence[Pushed]:
    """Return the drafts that were applied to a database without a file, in their order."""
    if not await connection.fetchval("SELECT to_regclass('public.dorami_pushed') IS NOT NULL"):
        return []
    return [Pushed(*row) for row in await connection.fetch(PUSHED, label)]
