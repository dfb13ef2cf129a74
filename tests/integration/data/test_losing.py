"""What takes rows away: rollback and reset, at a terminal. After each try the rows are counted."""

import asyncio
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from gateway.data.commands.overview import tables_of
from gateway.data.programs import program
from gateway.data.target import Target, mark
from gateway.postgres.databases import MAIN
from gateway.postgres.migration_files import read
from tests.integration.data.terminal import after, at_terminal, dorami, fetchval, interrupt, right, run, wrong
from tests.support import Databases

Environment = Callable[..., dict[str, str]]

ROWS = "INSERT INTO revocations SELECT 'key ' || n, 'value', now() FROM generate_series(1, {}) n"
COUNT = "SELECT count(*) FROM revocations"
LATEST = "SELECT count(*) FROM aerich"
ROLLBACK = ("rollback", "-d", "main", "--to", "12")  # what makes the table is 13
RESET = ("migrate", "-t", "reset", "-d", "main", "--no-seed")
NUMBER = len(read(MAIN.migrations))
PRODUCTION = {"APP_ENV": "production", "JWT_SECRET": "a-secret-of-production-that-is-long-enough"}


@pytest.mark.parametrize("command", [ROLLBACK, RESET], ids=["rollback", "reset"])
async def test_nothing_goes_without_two_right_codes(
    command: tuple[str, ...], environment: Environment, database_url: str, tmp_path: Path
) -> None:
    await run(database_url, ROWS.format(7))
    command = (*command, "--backups", str(tmp_path / "backups"))
    ended = await asyncio.gather(
        at_terminal(*command, environment=environment(), replies=[wrong]),
        at_terminal(*command, environment=environment(), replies=[right, wrong]),
        at_terminal(*command, environment=environment(), replies=[interrupt]),
        at_terminal(*command, environment=environment(), replies=[right, interrupt]),
        dorami(*command, environment=environment()),
        dorami(*command, "--consent", "main@0123456789ab", environment=environment()),
    )
    assert [said.code for said in ended] == [3, 3, 130, 130, 3, 3], ended
    for said in ended:
        assert "drops table revocations: 7 rows" in said.err or "deletes table revocations: 7 rows" in said.err
        assert "Nothing" in said.err
        assert said.out == ""
    assert await fetchval(database_url, COUNT) == 7
    assert await fetchval(database_url, LATEST) == NUMBER
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize("command", [ROLLBACK, RESET], ids=["rollback", "reset"])
async def test_a_plan_that_changes_between_the_codes_ends_it(
    command: tuple[str, ...], environment: Environment, database_url: str, tmp_path: Path
) -> None:
    await run(database_url, ROWS.format(7))
    more = "INSERT INTO revocations VALUES ('one more', 'value', now())"
    said = await at_terminal(
        *(*command, "--backups", str(tmp_path)),
        environment=environment(),
        replies=[right, after(more, database_url)],
    )
    assert said.code == 3
    assert "The plan has changed" in said.err
    assert await fetchval(database_url, COUNT) == 8
    assert await fetchval(database_url, LATEST) == NUMBER


async def test_a_rollback_loses_what_its_plan_has_counted(
    environment: Environment, database_url: str, tmp_path: Path, databases: Databases
) -> None:
    await run(database_url, ROWS.format(12))
    preview = await dorami(*ROLLBACK, "--preview", "--json", environment=environment())
    effects = json.loads(preview.out)["effects"]
    lost = {loss["name"]: loss["count"] for loss in effects["losses"]}
    assert lost["revocations"] == 12
    before = await counts(database_url)

    said = await at_terminal(*ROLLBACK, "--backups", str(tmp_path), environment=environment(), replies=[right, right])
    assert said.code == 0, said.err
    undone = [line.removeprefix("undone ") for line in said.out.splitlines()]
    assert undone == [migration.name for migration in reversed(read(MAIN.migrations)[13:])]
    left = await counts(database_url)
    assert {name: rows for name, rows in before.items() if name not in left} == {
        name: count for name, count in lost.items() if name in before
    }

    backup = only_file(tmp_path)
    assert mode(backup) == 0o600
    restored = await databases.empty()
    command = [program("pg_restore", 18), f"--dbname={restored}", str(backup)]
    await asyncio.to_thread(subprocess.run, command, check=True)
    assert await fetchval(restored, COUNT) == 12
    await databases.drop(restored)

    again = await dorami("migrate", environment=environment())
    assert again.code == 0
    assert await fetchval(database_url, LATEST) == NUMBER


async def test_a_reset_leaves_the_schema_without_rows(
    environment: Environment, database_url: str, tmp_path: Path
) -> None:
    await run(database_url, ROWS.format(3) + "; CREATE TABLE mine (id int); INSERT INTO mine VALUES (1)")
    alone = await dorami(*RESET, "--no-backup", environment=environment())
    rows = await counts(database_url)
    assert f"This deletes {sum(rows.values())} rows in {len(rows)} tables of main" in alone.err
    (consent,) = re.findall(r"--consent (\S+)", alone.err)
    said = await dorami(
        *("migrate", "-t", "reset", "-d", "main", "--backups", str(tmp_path), "--consent", consent, "--json"),
        environment=environment(),
    )
    answer = json.loads(said.out)
    assert (said.code, answer["ok"]) == (0, True), said.err
    assert len(answer["applied"]) == NUMBER
    assert answer["made"] == answer["wanted"]
    assert answer["backup"] == str(only_file(tmp_path))
    assert await fetchval(database_url, COUNT) == 0
    assert await fetchval(database_url, "SELECT to_regclass('mine')") is None
    status = await dorami("status", "--drift", environment=environment())
    assert status == (0, "up to date, no drift\n", "")


@pytest.mark.parametrize("by", ["the setting", "the mark"])
async def test_production(by: str, environment: Environment, database_url: str, target: Target, tmp_path: Path) -> None:
    """A reset never, a rollback with an own backup and two codes; seeds, push and drafts never."""
    await run(database_url, ROWS.format(5))
    if by == "the mark":
        assert await mark(target.settings, [MAIN]) == ["main"]
    where = environment(**({} if by == "the mark" else PRODUCTION))
    ended = await asyncio.gather(
        at_terminal(*RESET, environment=where),
        at_terminal(*ROLLBACK, environment=where),
        dorami("migrate", "-t", "dev", "-d", "main", "-n", "more", environment=where),
        dorami("push", "-d", "main", environment=where),
        dorami("seed", "-d", "main", environment=where),
        dorami(*ROLLBACK, "--i-have-a-backup", environment=where),
    )
    assert [said.code for said in ended] == [3] * 6, ended
    assert await fetchval(database_url, COUNT) == 5
    assert await fetchval(database_url, LATEST) == NUMBER
    said = await at_terminal(
        *(*ROLLBACK, "--i-have-a-backup", "--no-backup"), environment=where, replies=[right, right]
    )
    assert said.code == 0, said.err
    assert await fetchval(database_url, "SELECT to_regclass('revocations')") is None


async def test_a_rollback_that_cannot_be_meant_is_a_mistake(environment: Environment, database_url: str) -> None:
    wrongly = [
        ("-t", "0"),
        ("-t", str(NUMBER)),
        ("--to", "99"),
        ("--to", str(NUMBER - 1)),
        ("-t", "1", "--to", "1"),
        (),
    ]
    ended = await asyncio.gather(
        *(dorami("rollback", "-d", "main", *arguments, environment=environment()) for arguments in wrongly)
    )
    assert [said.code for said in ended] == [2] * len(wrongly), ended
    assert await fetchval(database_url, LATEST) == NUMBER


async def test_a_reset_gives_way_to_who_holds_a_table(
    environment: Environment, database_url: str, target: Target
) -> None:
    alone = await dorami(*RESET, environment=environment())
    (consent,) = re.findall(r"--consent (\S+)", alone.err)
    async with target.connect() as reader, reader.transaction():
        await reader.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        said = await dorami(
            *RESET, "--no-backup", "--lock-wait", "100ms", "--consent", consent, environment=environment()
        )
    assert said.code == 4
    assert "somebody else has held a lock" in said.err
    assert await fetchval(database_url, LATEST) == NUMBER


async def counts(url: str) -> dict[str, int]:
    """How many rows each table has."""
    connection = await asyncpg.connect(url)
    try:
        return {name: await connection.fetchval(f"SELECT count(*) FROM {name}") for name in await tables_of(connection)}
    finally:
        await connection.close()


def only_file(folder: Path) -> Path:
    """Return the file in a folder that has one."""
    (file,) = folder.iterdir()
    return file


def mode(file: Path) -> int:
    """Who may do what with a file."""
    return file.stat().st_mode & 0o777
