"""The command line at a terminal, and without one. Called by the tests of `dorami db`."""

import asyncio
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

import gateway
from tests.timing import scaled

PATIENCE = 20.0  # s for a command
QUESTION = re.compile(r"(?:Type (\w{4}) to go on|Once more, type (\w{4})): $")

Reply = Callable[[str], str]  # what is typed, given the code that is asked for


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str  # at a terminal: all that is on the screen but results


def right(code: str) -> str:
    """Type what is asked for."""
    return f"{code}\n"


def wrong(code: str) -> str:
    """Type a code that is none."""
    return f"{'A' if code[0] != 'A' else 'B'}{code[1:]}\n"


def interrupt(code: str) -> str:
    """Press Ctrl-C."""
    return "\x03"


def after(statement: str, url: str, reply: Reply = right) -> Reply:
    """Have somebody else run a statement, then reply."""

    def replied(code: str) -> str:
        asyncio.run(run(url, statement))
        return reply(code)

    return replied


async def run(url: str, statement: str) -> None:
    """Run a statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def fetchval(url: str, statement: str) -> Any:
    """The first value that a statement answers."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def dorami(*arguments: str, environment: dict[str, str], stdin: str = "", folder: Path | None = None) -> Said:
    """Run `dorami db` without a terminal; with the models and migrations of a folder, if one is given."""
    places = [*([folder] if folder else []), Path(gateway.__file__).parents[1]]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "db", *arguments),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, places)), **environment},
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return Said(process.returncode, out.decode(), err.decode())


async def at_terminal(*arguments: str, environment: dict[str, str], replies: Sequence[Reply] = ()) -> Said:
    """Run `dorami db` at a terminal, where each question gets the next reply."""
    return await asyncio.to_thread(_converse, arguments, environment, list(replies))


def _converse(arguments: Sequence[str], environment: dict[str, str], replies: list[Reply]) -> Said:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "gateway", "db", *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
    )
    os.close(slave)
    screen, ends = "", time.monotonic() + scaled(PATIENCE)
    try:
        while time.monotonic() < ends:
            if not select.select([master], [], [], 0.1)[0]:
                continue
            try:
                some = os.read(master, 4096)
            except OSError:  # the terminal has no other end any more
                break
            if not some:
                break
            screen += some.decode(errors="replace")
            if found := QUESTION.search(screen):
                assert replies, f"nobody said what to answer:\n{screen}"
                os.write(master, replies.pop(0)(found[1] or found[2]).encode())
                screen += "\n"
        else:
            process.kill()
            raise AssertionError(f"it does not end:\n{screen}")
        assert process.stdout is not None
        out = process.stdout.read().decode()
        code = process.wait(scaled(PATIENCE))
    finally:
        with process:  # closes its output
            process.kill()
        os.close(master)
    assert "Traceback" not in screen, screen
    return Said(code, out, screen.replace("\r\n", "\n"))
