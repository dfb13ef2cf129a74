"""Each command against settings and servers that are wrong: an exit code and a line, no traceback, no password."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

import gateway
from gateway.dev.servers import PostgresProcess
from gateway.settings import DEVELOPMENT_SECRET
from tests.integration.data.terminal import run
from tests.timing import until

ON_A_DATABASE = [
    ["debug"],
    ["execute", "-d", "main", "-c", "SELECT 1"],
    ["execute", "-d", "main", "--write", "-c", "SELECT 1"],
    ["generate", "--out", "nowhere"],
    ["migrate"],
    ["migrate", "--dry-run"],
    ["migrate", "-t", "dev", "-d", "main", "-n", "x"],
    ["migrate", "-t", "reset", "-d", "main"],
    ["migrate", "-t", "resolve", "-d", "main", "--applied", "x"],
    ["migrate", "-t", "status", "--drift"],
    ["pull", "-d", "main", "--print"],
    ["push", "-d", "main"],
    ["rollback", "-d", "main", "-t", "1"],
    ["rollback", "-d", "main", "-t", "1", "--preview"],
    ["seed"],
    ["shell", "-d", "main"],
    ["status"],
    ["studio", "-d", "main"],
]
WITHOUT = [["validate"], ["version"]]  # need no database


async def ends(commands: list[list[str]], **environment: str) -> list[tuple[int, str, str]]:
    """How commands end, as `every_command.py` tells."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.data.every_command"),
        json.dumps([["db", *command] for command in commands]),
        env={
            "PATH": os.environ["PATH"],
            "APP_ENV": "development",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "JWT_SECRET": DEVELOPMENT_SECRET,
            **environment,
        },
        cwd=Path(gateway.__file__).parents[1],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return [(code, said, remarks) for code, said, remarks in json.loads(out)]


def check(commands: list[list[str]], found: list[tuple[int, str, str]], code: int, line: str) -> None:
    for command, (ended, out, err) in zip(commands, found, strict=True):
        assert ended == code, (command, err)
        assert line in err.splitlines()[-1], (command, err)  # before it there may be logs
        assert out == "", command
        assert "Traceback" not in err
        assert "hunter2" not in err


@pytest.mark.parametrize(
    ("url", "code", "line"),
    [
        ("", 2, "RDS_MAIN_URL: is required"),
        ("hunter2", 2, "RDS_MAIN_URL: "),
        ("postgresql://me:hunter2@127.0.0.1:1/shop", 1, "does not answer: connection refused"),
        ("postgresql://me:hunter2@no-such-host.invalid/shop", 1, "its host name is not known"),
    ],
    ids=["unset", "wrong", "refused", "unknown host"],
)
async def test_a_database_that_cannot_be_reached(url: str, code: int, line: str) -> None:
    found = await ends([*ON_A_DATABASE, *WITHOUT, ["list"]], RDS_MAIN_URL=url)
    check(ON_A_DATABASE, found[: len(ON_A_DATABASE)], code, line)
    assert [ended for ended, _, _ in found[len(ON_A_DATABASE) : -1]] == [0, 0]
    ended, out, err = found[-1]
    if code == 2:
        assert (ended, out) == (2, "")
    else:  # a list tells of it
        assert (ended, err) == (0, "")
        assert line in out
        assert "hunter2" not in out


async def test_a_database_that_does_not_exist(database_url: str) -> None:
    url = database_url.replace("/test_", "/nobody_made_", 1)
    check(ON_A_DATABASE, await ends(ON_A_DATABASE, RDS_MAIN_URL=url), 1, "does not exist on its server")


async def test_a_wrong_password(own_postgres: PostgresProcess) -> None:
    await run(own_postgres.url, "ALTER ROLE postgres PASSWORD 'right'")
    (own_postgres.folder / "pg_hba.conf").write_text("local all all scram-sha-256\n")
    os.kill(own_postgres.pid, signal.SIGHUP)

    async def refuses() -> bool:
        try:
            await (await asyncpg.connect(own_postgres.url)).close()
        except asyncpg.InvalidPasswordError:
            return True
        return False

    await until(refuses, what="a server that wants passwords")
    url = own_postgres.url.replace("postgres@", "postgres:hunter2@", 1)
    check(ON_A_DATABASE, await ends(ON_A_DATABASE, RDS_MAIN_URL=url), 1, "refuses the user name or the password")


async def test_a_name_that_is_none_and_a_database_that_is_not_set(database_url: str) -> None:
    named = [command for command in ON_A_DATABASE if "-d" in command]
    unknown = [[part if part != "main" else "nothing" for part in command] for command in named]
    unset = [[part if part != "main" else "analytics" for part in command] for command in named]
    found = await ends([*unknown, *unset], RDS_MAIN_URL=database_url)
    check(unknown, found[: len(unknown)], 2, "there is no database nothing (there are: main, analytics)")
    check(unset, found[len(unknown) :], 2, "RDS_ANALYTICS_URL: is required for analytics")


async def test_what_loses_rows_wants_a_name_and_takes_no_all(database_url: str) -> None:
    commands = [
        ["migrate", "-t", "reset"],
        ["migrate", "-t", "reset", "-d", "main", "-a"],
        ["migrate", "-t", "dev", "-n", "x"],
        ["rollback", "-t", "1"],
        ["push"],
        ["pull", "--print"],
        ["execute", "-c", "SELECT 1"],
        ["migrate", "-t", "dev", "-d", "main"],
        ["migrate", "-d", "main", "--lock-wait", "soon"],
        ["migrate", "-d", "main", "-a"],
        ["migrate", "-t", "dev", "-d", "main", "-n", "x", "--rename", "old"],
    ]
    check(commands, await ends(commands, RDS_MAIN_URL=database_url), 2, "")
