"""Migrations on a real PostgreSQL: applied once by however many nodes, and in step with the models."""

import asyncio
from collections import Counter

import asyncpg
import pytest

from gateway.errors import Unavailable
from gateway.keys import MIGRATION_LOCK
from gateway.postgres import migrations
from gateway.postgres.databases import MAIN
from migrations import functions
from tests.support import make_settings


def files() -> list[str]:
    names = [file.stem for file in MAIN.migrations.glob("[0-9]*.py")]
    return sorted(names, key=lambda name: int(name.partition("_")[0]))


def test_no_two_migrations_have_one_number() -> None:
    numbers = Counter(name.partition("_")[0] for name in files())
    assert numbers
    assert max(numbers.values()) == 1


async def test_three_nodes_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    settings = make_settings(database_url=empty_database_url)
    assert await migrations.pending(settings) == files()
    applied = await asyncio.gather(*(migrations.migrate(settings) for _ in range(3)))
    assert sorted(applied) == [[], [], files()]
    assert await migrations.pending(settings) == []


async def test_a_migration_waits_for_the_node_that_has_begun(empty_database_url: str) -> None:
    settings = make_settings(database_url=empty_database_url)
    other = await asyncpg.connect(empty_database_url)
    await other.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
    migrating = asyncio.create_task(migrations.migrate(settings))
    await asyncio.sleep(3 * migrations.POLL)
    assert await migrations.pending(settings) == files()
    await other.close()
    assert await migrating == files()


async def test_the_models_say_nothing_that_the_migrations_do_not(database_url: str) -> None:
    written = files()
    name = await migrations.generate(make_settings(database_url=database_url), "forgotten")
    for forgotten in set(files()) - set(written):
        (MAIN.migrations / f"{forgotten}.py").unlink()
    assert name is None, "run `generate` after changing a model"


FUNCTIONS = """
    SELECT p.proname AS name, pg_get_functiondef(p.oid) AS definition
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public'
"""


async def test_the_functions_of_the_database_are_the_files(database_url: str, empty_database_url: str) -> None:
    """Made from the files alone, every function is what the migrations have made, to the letter."""
    migrated, made = await asyncpg.connect(database_url), await asyncpg.connect(empty_database_url)
    try:
        names = sorted(file.stem for file in functions.FOLDER.glob("*.sql"))
        async with made.transaction():
            await made.execute(functions.apply(*names))
        expected = {row["name"]: row["definition"] for row in await made.fetch(FUNCTIONS)}
        assert sorted(expected) == names
        assert {row["name"]: row["definition"] for row in await migrated.fetch(FUNCTIONS)} == expected
    finally:
        await migrated.close()
        await made.close()


async def test_a_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await migrations.migrate(make_settings())
    with pytest.raises(Unavailable):
        await migrations.pending(make_settings())
