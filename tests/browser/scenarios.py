"""Runs a scenario of a page in a real browser against a node. Called by the tests of pages."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

from tests.support import Node
from tests.timing import allowed, time_limit

HERE = Path(__file__).parent
PICTURES = HERE.parent.parent / "artifacts"  # of the pages, to be looked at
PATIENCE = 50.0  # s for a scenario; each takes about ten

Actions = Mapping[str, Callable[[], Awaitable[object]]]
NONE: Actions = MappingProxyType({})


async def play(
    scenario: str, chromium: str, node: Node, *, script: str = "scenarios.mjs", actions: Actions = NONE
) -> None:
    """Run a scenario of a script against a node. Fails with what the scenario complained about.

    A line that names one of `actions` asks for it; it is answered by a line when it is done.
    """
    said = ""
    async with started("node", script, scenario, chromium, f"{node.url}/", str(PICTURES)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        async for line in process.stdout:
            if action := actions.get(line.decode().strip()):
                await action()
                process.stdin.write(b"done\n")
            else:
                said += line.decode()
        await process.wait()
    assert process.returncode == 0, f"{said}\n{node.logs}"


async def run(*command: str, stdin: bytes = b"", **environment: str) -> None:
    """Run a program in this folder. Fails with what it wrote."""
    async with started(*command, **environment) as process:
        said, _ = await process.communicate(stdin)
    assert process.returncode == 0, said.decode()


@asynccontextmanager
async def started(*command: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a program in this folder, which has PATIENCE to end. Its stderr is in its output."""
    PICTURES.mkdir(exist_ok=True)
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=HERE,
        env=inherited | {"TEST_TIME_SCALE": f"{allowed(1):.1f}"} | environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with time_limit(PATIENCE):
            yield process
    finally:
        await ended(process)


async def ended(process: asyncio.subprocess.Process) -> None:
    """End a program that runs: it has a moment to take its browser with it."""
    for end in (process.terminate, process.kill):
        if process.returncode is None:
            end()
            try:
                async with time_limit():
                    await process.wait()
            except TimeoutError:
                continue
