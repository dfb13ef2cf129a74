"""The command line at a terminal, and without one. Called by the tests of `dorami db` and `dorami backup`."""

import asyncio
import os
import pty
import re
import select
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

import gateway
from tests.integration.data.forks import fork
from tests.timing import allowed

PATIENCE = 20.0  # s for a command
QUESTION = re.compile(r"(?:Type (\w{4}) to go on|Once more, type (\w{4})): $|begins in \d+ s, Ctrl-C stops it $")

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
    """Return the first value that a statement answers."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def dorami(
    *arguments: str, environment: dict[str, str], stdin: str = "", folder: Path | None = None, group: str = "db"
) -> Said:
    """Run a command of a group without a terminal; with the models and migrations of a folder, if one is given."""
    return await asyncio.to_thread(_run, (group, *arguments), environment, stdin, folder)


async def at_terminal(
    *arguments: str,
    environment: dict[str, str],
    replies: Sequence[Reply] = (),
    folder: Path | None = None,
    group: str = "db",
) -> Said:
    """Run a command of a group at a terminal, where each question, and a countdown, gets the next reply."""
    return await asyncio.to_thread(_converse, (group, *arguments), environment, list(replies), folder)


def _run(arguments: Sequence[str], environment: dict[str, str], stdin: str, folder: Path | None) -> Said:
    with tempfile.TemporaryDirectory(prefix="dorami-said-") as place:
        files = [Path(place, name) for name in ("in", "out", "err")]
        for file, text in zip(files, (stdin, "", ""), strict=True):
            file.write_text(text)
        process = _start(arguments, environment, folder, files)
        process.join(allowed(PATIENCE))
        code = _end(process)
        out, err = (file.read_text() for file in files[1:])
    assert code is not None, f"it does not end:\n{err}"
    assert "Traceback" not in err, err
    return Said(code, out, err)


def _converse(arguments: Sequence[str], environment: dict[str, str], replies: list[Reply], folder: Path | None) -> Said:
    master, slave = pty.openpty()
    screen, ends = "", time.monotonic() + allowed(PATIENCE)
    with tempfile.TemporaryDirectory(prefix="dorami-said-") as place:
        out = Path(place, "out")
        out.touch()
        process = _start(arguments, environment, folder, [os.ttyname(slave), out, os.ttyname(slave)])
        try:
            while time.monotonic() < ends:
                if select.select([master], [], [], 0.05)[0]:
                    screen += os.read(master, 4096).decode(errors="replace")
                elif process.exitcode is not None:
                    break
                if found := QUESTION.search(screen):
                    assert replies, f"nobody said what to answer:\n{screen}"
                    os.write(master, replies.pop(0)(found[1] or found[2] or "").encode())
                    screen += "\n"
        finally:
            code = _end(process)
            os.close(slave)
            os.close(master)
        said = out.read_text()
    assert code is not None, f"it does not end:\n{screen}"
    assert "Traceback" not in screen, screen
    return Said(code, said, screen.replace("\r\n", "\n"))


def _start(
    arguments: Sequence[str], environment: dict[str, str], folder: Path | None, files: Sequence[str | Path]
) -> ForkServerProcess:
    places = [*([folder] if folder else []), Path(gateway.__file__).parents[1]]
    return fork(arguments, {"PATH": os.environ["PATH"], **environment}, places=places, files=list(map(str, files)))


def _end(process: ForkServerProcess) -> int | None:
    """Return the exit code of a process that has ended; None of one that had to be ended."""
    code = process.exitcode
    process.kill()
    process.join()
    process.close()
    return code
