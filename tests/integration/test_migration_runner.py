"""The runner of migrations on a real PostgreSQL: killed at any step, locked out, interrupted, undone."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from gateway.errors import Unavailable
from gateway.keys import MIGRATION_LOCK
from gateway.postgres.migration_files import Migration, MigrationError, MigrationsLocked, read
from gateway.postgres.migrations import Migrations
from tests.timing import allowed, until

LABEL = "trial"
AERICH = 'CREATE TABLE "aerich" (id serial PRIMARY KEY, version text, app text, content jsonb);'
FIRST = (AERICH + "CREATE TABLE things (id int, name text);", "DROP TABLE things;")


class Trial:
    """A folder of migrations, and a database that they are applied to."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder / LABEL
        self.folder.mkdir()

    def write(self, number: int, up: str, down: str = "SELECT 1;", *, in_transaction: bool = True) -> str:
        """Write a migration, and return its name."""
        name = f"{number}_20260101000000_step"
        text = (
            f"RUN_IN_TRANSACTION = {in_transaction}\n"
            f"async def upgrade(db):\n    return {up!r}\n"
            f"async def downgrade(db):\n    return {down!r}\n"
        )
        (self.folder / f"{name}.py").write_text(text)
        return name

    def migrations(self, **options: Any) -> Migrations:
        """Return the migrations of the folder as it is now."""
        return Migrations(LABEL, read(self.folder), self.url, **options)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        """Somebody else in the database."""
        connection = await asyncpg.connect(self.url)
        try:
            yield connection
        finally:
            connection.terminate()

    async def value(self, statement: str) -> Any:
        """Ask for one value."""
        async with self.session() as db:
            return await db.fetchval(statement)


@pytest.fixture
async def trial(empty_database_url: str, tmp_path: Path) -> Trial:
    """Return a database whose first migration is applied: it made `things`."""
    made = Trial(empty_database_url, tmp_path)
    made.write(0, *FIRST)
    await made.migrations().apply()
    return made


# --- killed -----------------------------------------------------------------------------------------------------------

KILLED = """
import asyncio, os, sys
from pathlib import Path
from gateway.postgres.migration_files import read
from gateway.postgres.migration_records import MigrationRecords
from gateway.postgres.migrations import Migrations

async def die(*ignored):
    os._exit(9)

kind, method = sys.argv[3].split(".")
setattr(globals()[kind], method, die)
asyncio.run(Migrations("trial", read(Path(sys.argv[2])), sys.argv[1]).apply())
"""


@pytest.mark.parametrize("at", ["Migrations._run", "MigrationRecords.add"])
async def test_a_killed_process_leaves_no_partial_migration(trial: Trial, at: str) -> None:
    name = trial.write(1, "CREATE TABLE more (id int); INSERT INTO more VALUES (1);")
    code = await _killed(trial, at)
    assert code == 9
    await until(lambda: _nobody(trial))
    assert await trial.value("SELECT to_regclass('more')") is None
    assert await trial.migrations().apply() == [name]
    assert await trial.value("SELECT count(*) FROM more") == 1
    assert (await trial.migrations().status()).pending == []


async def test_an_index_made_before_a_kill_is_recorded_next_time(trial: Trial) -> None:
    name = trial.write(1, "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_name ON things (name)", in_transaction=False)
    assert await _killed(trial, "MigrationRecords.add") == 9
    await until(lambda: _nobody(trial))
    assert await trial.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_name'::regclass")
    assert [migration.name for migration in (await trial.migrations().status()).pending] == [name]
    assert await trial.migrations().apply() == [name]
    assert await trial.migrations().apply() == []


async def _killed(trial: Trial, at: str) -> int:
    """Apply the migrations in another process, which dies where it comes to a method; its exit code."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, trial.url, str(trial.folder), at), stderr=subprocess.DEVNULL
    )
    return await process.wait()


async def _nobody(trial: Trial) -> bool:
    """Whether the server has noticed that the other process is gone."""
    return not await trial.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    )


# --- beside others ----------------------------------------------------------------------------------------------------


async def test_a_waiting_migration_does_not_block_others(trial: Trial) -> None:
    """A reader is in the table for as long as it takes until two tries have given way; others read all the while."""
    name = trial.write(1, "ALTER TABLE things ADD COLUMN price int;")
    async with trial.session() as reader, trial.session() as other:
        async with reader.transaction():
            await reader.fetch("SELECT * FROM things")
            with capture_logs() as logs:
                applying = asyncio.create_task(trial.migrations().apply())
                while sum(entry.get("migration") == name for entry in logs) < 2:
                    await other.fetch("SELECT * FROM things")
                    await asyncio.sleep(0.01)
        assert await applying == [name]
    assert await trial.value("SELECT count(price) FROM things") == 0


async def test_a_permanent_lock_ends_the_migration(trial: Trial) -> None:
    trial.write(1, "CREATE TABLE more (id int); ALTER TABLE things ADD COLUMN price int;")
    async with trial.session() as reader, reader.transaction():
        await reader.fetch("SELECT * FROM things")
        with pytest.raises(MigrationsLocked, match="somebody else has held a lock that it needs"):
            await trial.migrations(lock_wait=0.2).apply()
    assert MigrationsLocked.code == 4
    assert await trial.value("SELECT to_regclass('more')") is None


async def test_an_index_that_waits_for_a_transaction_for_ever_ends_as_invalid_and_is_made_anew(trial: Trial) -> None:
    index = "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_name ON things (name)"
    name = trial.write(1, index, "DROP INDEX CONCURRENTLY IF EXISTS by_name", in_transaction=False)
    async with trial.session() as writer, writer.transaction():
        await writer.execute("INSERT INTO things VALUES (1)")
        with pytest.raises(MigrationsLocked):
            await trial.migrations(lock_wait=0.3).apply()
    assert (await trial.migrations().status()).invalid == ["by_name"]
    assert await trial.migrations().apply() == [name]
    assert (await trial.migrations().status()).invalid == []
    assert await trial.migrations().rollback(count=1) == [name]
    assert await trial.value("SELECT to_regclass('by_name')") is None


async def test_the_wait_for_another_process_is_bounded(trial: Trial) -> None:
    name = trial.write(1, "CREATE TABLE more (id int);")
    async with trial.session() as other:
        async with other.transaction():
            await other.fetch("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
            with pytest.raises(MigrationsLocked, match="another process has been applying migrations"):
                await trial.migrations(wait=0.3).apply()
            applying = asyncio.create_task(trial.migrations().apply())
        assert await applying == [name]


async def test_a_statement_may_take_longer_than_the_database_allows_others(trial: Trial) -> None:
    name = trial.write(1, "SELECT pg_sleep(0.4);")
    limits = ("statement_timeout", "transaction_timeout")
    async with trial.session() as db:
        for limit in limits:
            await db.execute(f"""DO $$ BEGIN EXECUTE format(
                'ALTER DATABASE %I SET {limit} = ''200ms''', current_database()); END $$""")
    assert await trial.migrations().apply() == [name]


async def test_a_database_that_is_away_is_unavailable(trial: Trial) -> None:
    gone = Migrations(LABEL, read(trial.folder), "postgresql://nobody@127.0.0.1:1/nothing")
    for use in (gone.status, gone.apply, lambda: gone.rollback(count=1)):
        with pytest.raises(Unavailable):
            await use()


# --- files that are wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("up", "problem"),
    [
        ("CREATE INDEX CONCURRENTLY by_name ON things (name)", "needs IF EXISTS or IF NOT EXISTS"),
        ("VACUUM things; VACUUM things", "has several statements, and no transaction"),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS by_id ON things (id)", "could not create unique index"),
    ],
)
async def test_a_file_without_a_transaction_has_one_statement_that_may_be_repeated(
    trial: Trial, up: str, problem: str
) -> None:
    async with trial.session() as db:
        await db.execute("INSERT INTO things VALUES (1, 'hunter2'), (1, 'hunter3')")
    trial.write(1, up, in_transaction=False)
    with pytest.raises(MigrationError, match=problem) as caught:
        await trial.migrations().apply()
    assert "hunter" not in str(caught.value)


async def test_behind_pgbouncer_nothing_is_set_for_a_session(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    execute = asyncpg.Connection.execute

    def noted(connection: asyncpg.Connection, text: str, *values: Any, **options: Any) -> Any:
        said.append(text)
        return execute(connection, text, *values, **options)

    monkeypatch.setattr(asyncpg.Connection, "execute", noted)
    trial.write(1, "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_id ON things (id)", in_transaction=False)
    assert await trial.migrations(pooled=True).apply() == ["1_20260101000000_step"]
    assert said
    assert [text for text in said if text.startswith("SET ") and not text.startswith("SET LOCAL")] == []


async def test_a_failed_statement_is_reported_without_rows(trial: Trial) -> None:
    trial.write(1, "INSERT INTO things VALUES (1, 'hunter2'); ALTER TABLE things ADD CHECK (name <> 'hunter2');")
    with pytest.raises(MigrationError, match=r"^1_20260101000000_step: check constraint") as caught:
        await trial.migrations().apply()
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert await trial.value("SELECT count(*) FROM things") == 0


def test_two_files_of_one_number_are_refused(tmp_path: Path) -> None:
    for name in ("0_20260101000000_one", "0_20260101000001_two"):
        (tmp_path / f"{name}.py").write_text("")
    with pytest.raises(MigrationError, match="have the same number"):
        read(tmp_path)


def test_a_file_without_a_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0.py").write_text("")
    with pytest.raises(MigrationError, match="is not named"):
        Migration(tmp_path / "0.py")


# --- what is noted ----------------------------------------------------------------------------------------------------


async def test_applied_migrations_are_recorded_with_hash_and_duration(trial: Trial) -> None:
    (applied,) = (await trial.migrations().status()).applied
    assert applied.name == trial.migrations().files[0].name
    assert applied.sha256 == trial.migrations().files[0].sha256
    assert applied.at is not None
    assert applied.seconds is not None


async def test_an_edited_migration_prevents_further_ones(trial: Trial) -> None:
    trial.write(0, FIRST[0] + "CREATE TABLE others (id int);")
    status = await trial.migrations().status()
    assert (status.edited, status.ahead, status.pending) == (["0_20260101000000_step"], [], [])
    assert await trial.migrations().apply() == []
    trial.write(1, "CREATE TABLE more (id int);")
    with pytest.raises(MigrationError, match="changed since they were applied: 0_20260101000000_step"):
        await trial.migrations().apply()


async def test_a_database_that_is_ahead_of_the_code_is_left_alone(trial: Trial) -> None:
    newer = trial.write(2, "CREATE TABLE more (id int);")
    await trial.migrations().apply()
    (trial.folder / f"{newer}.py").unlink()
    status = await trial.migrations().status()
    assert (status.ahead, status.pending) == ([newer], [])
    assert await trial.migrations().apply() == []
    trial.write(1, "CREATE TABLE others (id int);")
    with pytest.raises(MigrationError, match=f"ahead of this version: it has {newer}"):
        await trial.migrations().apply()
    with pytest.raises(MigrationError, match="ahead of this version"):
        await trial.migrations().rollback(count=1)


async def test_migrations_without_hashes_are_adopted_once(trial: Trial) -> None:
    trial.write(1, "CREATE TABLE more (id int);")
    async with trial.session() as db:
        await db.execute("DROP TABLE dorami_migrations")
    (applied,) = (await trial.migrations().status()).applied
    assert applied[1:] == (None, None, None)
    await trial.migrations().apply()
    adopted, fresh = (await trial.migrations().status()).applied
    assert (adopted.sha256, adopted.at) == (trial.migrations().files[0].sha256, None)
    assert fresh.at is not None
    trial.write(0, FIRST[0] + "-- another text")
    assert (await trial.migrations().status()).edited == ["0_20260101000000_step"]


async def test_a_migration_can_be_recorded_without_running(trial: Trial) -> None:
    name = trial.write(1, "CREATE TABLE things (id int);", "DROP TABLE things;")
    migrations = trial.migrations()
    await migrations.note(name, applied=True)
    assert await migrations.apply() == []
    with pytest.raises(MigrationError, match="is applied"):
        await migrations.note(name, applied=True)
    await migrations.note(name, applied=False)
    with pytest.raises(MigrationError, match="is not applied"):
        await migrations.note(name, applied=False)
    with pytest.raises(MigrationError, match="there is no migration 9_none"):
        await migrations.note("9_none", applied=True)
    with pytest.raises(MigrationError, match="already exists"):
        await migrations.apply()


# --- undone -----------------------------------------------------------------------------------------------------------


async def test_the_last_ones_are_undone_and_the_first_stays(trial: Trial) -> None:
    names = [trial.write(n, f"CREATE TABLE t{n} (id int);", f"DROP TABLE t{n};") for n in (1, 2, 3)]
    migrations = trial.migrations()
    assert await migrations.apply(to=2) == names[:2]
    assert await migrations.apply() == names[2:]
    seen: list[str] = []
    assert await migrations.rollback(count=1, done=lambda step: seen.append(step.name)) == [names[2]] == seen
    assert await trial.value("SELECT to_regclass('t3')") is None
    for count in (0, 3, 4):
        with pytest.raises(MigrationError, match=f"2 migrations can be undone, not {count}: the first stays"):
            await migrations.rollback(count=count)
    with pytest.raises(MigrationError, match="there is no applied migration 3"):
        await migrations.rollback(to=3)
    assert await migrations.rollback(to=0) == [names[1], names[0]]
    assert await migrations.rollback(to=0) == []
    assert await migrations.apply() == names


async def test_a_migration_without_an_undo_is_kept(trial: Trial) -> None:
    trial.write(1, "CREATE TABLE more (id int);", "")
    await trial.migrations().apply()
    with pytest.raises(MigrationError, match="has no downgrade"):
        await trial.migrations().rollback(count=1)
    assert await trial.value("SELECT count(*) FROM more") == 0


async def test_concurrent_undos_are_applied_once(trial: Trial) -> None:
    names = [trial.write(n, f"CREATE TABLE t{n} (id int);", f"DROP TABLE t{n};") for n in (1, 2)]
    await trial.migrations().apply()
    both = await asyncio.gather(*(trial.migrations().rollback(count=1) for _ in range(2)), return_exceptions=True)
    undone = [one for one in both if not isinstance(one, MigrationError)]
    left = [applied.name for applied in (await trial.migrations().status()).applied][1:]
    assert left == names[: 2 - len(undone)]
    assert undone


async def test_concurrent_processes_apply_each_migration_once(trial: Trial) -> None:
    names = [trial.write(n, f"CREATE TABLE t{n} (id int);") for n in range(1, 6)]
    async with asyncio.timeout(allowed(20)):
        applied = await asyncio.gather(*(trial.migrations().apply() for _ in range(3)))
    assert sorted(name for some in applied for name in some) == names
