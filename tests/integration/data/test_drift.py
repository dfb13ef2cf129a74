"""Drift: each kind of change by hand is found and named, and a database that was dumped and restored has none."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.data.programs import dump, program
from gateway.data.schema import catalog, known
from gateway.data.schema import drift as drifts
from gateway.data.schema.drift import drift
from gateway.data.schema.scratch import scratch as create_scratch
from gateway.data.stops import Stop
from gateway.data.target import Target
from gateway.postgres.databases import MAIN
from gateway.postgres.migration_files import read
from tests.support import Databases, make_settings

NAMES = [migration.name for migration in read(MAIN.migrations)]
TRIGGER = "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
BY_HAND = {
    "a table": ("CREATE TABLE notes (id int)", ["unknown  table notes"]),
    "a table that is gone": ("DROP TABLE banned_devices", ["missing  table banned_devices"]),
    "a column": ("ALTER TABLE users ADD phone text", ["unknown  column users.phone"]),
    "a column that is gone": ("ALTER TABLE jobs DROP detail", ["missing  column jobs.detail"]),
    "a type": ("ALTER TABLE jobs ALTER lost TYPE int", ["differs  column jobs.lost"]),
    "a NOT NULL": ("ALTER TABLE jobs ALTER detail DROP NOT NULL", ["differs  column jobs.detail"]),
    "a default": ("ALTER TABLE jobs ALTER detail SET DEFAULT ''", ["differs  column jobs.detail"]),
    "a comment": ("COMMENT ON COLUMN jobs.detail IS '설명'", ["differs  column jobs.detail"]),
    "a constraint": (
        "ALTER TABLE orders ADD CONSTRAINT cheap CHECK (total < 5)",
        ["unknown  constraint orders.cheap"],
    ),
    "a constraint that is another": (
        "ALTER TABLE rooms DROP CONSTRAINT rooms_seq_counts, ADD CONSTRAINT rooms_seq_counts CHECK (seq >= -1)",
        ["differs  constraint rooms.rooms_seq_counts"],
    ),
    "a constraint that was not checked": (
        "ALTER TABLE rooms DROP CONSTRAINT rooms_seq_counts, ADD CONSTRAINT rooms_seq_counts CHECK (seq>=0) NOT VALID",
        ["differs  constraint rooms.rooms_seq_counts"],
    ),
    "an index": ("CREATE INDEX by_name ON users (username)", ["unknown  index by_name"]),
    "an index that is gone": ("DROP INDEX messages_by_term", ["missing  index messages_by_term"]),
    "a function": (
        "CREATE OR REPLACE FUNCTION search_form(asked text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1'",
        ["differs  function search_form(text)"],
    ),
    "a trigger": (
        f"CREATE FUNCTION t() {TRIGGER}; CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION t()",
        ["unknown  function t()", "unknown  trigger users.touch"],
    ),
    "an enum": ("CREATE TYPE mood AS ENUM ('sad', 'glad')", ["unknown  type mood"]),
    "a view": ("CREATE VIEW staff AS SELECT id FROM users WHERE role <> 'USER'", ["unknown  view staff"]),
    "a sequence": ("ALTER SEQUENCE order_items_id_seq INCREMENT 10", ["differs  sequence order_items_id_seq"]),
    "a policy": (
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON users USING (true)",
        ["unknown  policy users.mine", "differs  table users"],
    ),
    "a schema": ("CREATE SCHEMA reports", ["unknown  schema reports"]),
    "an extension": ("CREATE EXTENSION pg_trgm", ["unknown  extension pg_trgm"]),
    "a name in Korean": ('CREATE TABLE "주문 메모" ("내용" text)', ['unknown  table "주문 메모"']),
}


@pytest.fixture(scope="module")
async def scratch(databases: Databases) -> AsyncIterator[Any]:
    """Return a connection to a database as the migrations make it."""
    url = await databases.migrated()
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
    await databases.drop(url)


@pytest.mark.parametrize("kind", BY_HAND)
async def test_a_manual_change_is_detected(kind: str, scratch: Any) -> None:
    statements, found = BY_HAND[kind]
    want = await catalog.read(scratch)
    transaction = scratch.transaction()
    await transaction.start()
    try:
        await scratch.execute(statements)
        have = await catalog.read(scratch)
    finally:
        await transaction.rollback()
    assert [str(difference) for difference in await catalog.differences(want, have, scratch)] == found


async def test_an_invalid_index_is_found(target: Target, databases: Databases) -> None:
    async with target.connect() as connection:
        await connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'messages_by_term'::regclass"
        )
        applied = NAMES
        (difference,) = await drift(target, connection, applied)
    assert str(difference) == "differs  index messages_by_term"


async def test_a_database_that_was_restored_has_not_drifted(
    target: Target, databases: Databases, tmp_path: Path
) -> None:
    """PostgreSQL writes checks in other words after a restore, and in others still after the next."""
    url = target.url
    restored = []
    for turn in range(2):
        file = tmp_path / f"{turn}.dump"
        dump(url, 18, file)
        assert file.stat().st_mode & 0o777 == 0o600
        url = await databases.empty()
        restored.append(url)
        command = [program("pg_restore", 18), f"--dbname={url}", str(file)]
        await asyncio.to_thread(subprocess.run, command, check=True)
        copy = Target(MAIN, make_settings(database_url=url))
        async with copy.connect() as connection:
            want = await catalog.read(connection)
            assert await drift(copy, connection, NAMES) == []
        assert want
    for url in restored:
        await databases.drop(url)


async def test_no_scratch_database_is_left(target: Target) -> None:
    async with target.connect() as connection:
        await connection.execute("CREATE DATABASE dorami_scratch_00000001")  # of a command that was killed long ago
        assert await drift(target, connection, NAMES) == []
        left = await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'dorami_scratch_%'")
    assert left == []


async def test_a_user_who_may_not_make_databases_names_one_beside_which_they_may(
    target: Target, database_url: str
) -> None:
    async with target.connect() as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"CREATE ROLE plain_{name} LOGIN")
    plain = Target(MAIN, make_settings(database_url=database_url.replace("postgres@", f"plain_{name}@", 1)))
    async with plain.connect() as connection:
        with pytest.raises(Stop, match="--scratch-url"):
            await drift(plain, connection, NAMES)
        assert await drift(plain, connection, NAMES, beside=database_url) == []


async def test_a_known_catalog_needs_no_scratch_database(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    created = []

    def counted(url: str, *, beside: str | None) -> Any:
        created.append(url)
        return create_scratch(url, beside=beside)

    monkeypatch.setattr(drifts, "scratch", counted)
    async with target.connect() as connection:
        for _ in range(2):
            assert await drift(target, connection, NAMES) == []
        assert len(created) == 1
        await connection.execute("CREATE TABLE notes (id int)")
        assert [str(one) for one in await drift(target, connection, NAMES)] == ["unknown  table notes"]
        assert len(created) == 2, "a difference is looked at on a scratch database"
        await connection.execute("DROP TABLE notes")
        for file in known._folder().glob("*.json"):
            file.write_text("[[1]]")
        assert await drift(target, connection, NAMES) == []
        assert len(created) == 3, "a damaged file is not known"
