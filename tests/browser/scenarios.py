"""Runs a scenario of a page in a real browser against a node. Called by the tests of pages."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tests.support import Node
from tests.timing import time_limit

HERE = Path(__file__).parent
PICTURES = HERE.parent.parent / "artifacts"  # of the pages, to be looked at
PATIENCE = 120  # s for a scenario on a busy machine; each takes about ten

Actions = Mapping[str, Callable[[], Awaitable[object]]]
NONE: Actions = MappingProxyType({})


async def play(
    scenario: str, chromium: str, node: Node, *, script: str = "scenarios.mjs", actions: Actions = NONE
) -> None:
    """Run a scenario of a script against a node. Fails with what the scenario complained about.

    A line that names one of `actions` asks for it; it is answered by a line when it is done.
    """
    PICTURES.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        "node", script, scenario, chromium, f"{node.url}/", str(PICTURES),
        cwd=HERE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    said = ""
    try:
        async with time_limit(PATIENCE):
            async for line in process.stdout:
                if action := actions.get(line.decode().strip()):
                    await action()
                    process.stdin.write(b"done\n")
                else:
                    said += line.decode()
            await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()  # it takes the browser with it
            await process.wait()
    assert process.returncode == 0, f"{said}\n{node.logs}"
