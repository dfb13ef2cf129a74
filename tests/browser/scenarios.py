"""Runs a scenario of scenarios.mjs against a node. Called by the tests of pages."""

import asyncio
from pathlib import Path

from tests.support import Node
from tests.timing import time_limit

HERE = Path(__file__).parent
PICTURES = HERE.parent.parent / "artifacts"  # of the pages, to be looked at
PATIENCE = 90  # s for a scenario on a busy machine; each takes a few


async def play(scenario: str, chromium: str, node: Node) -> None:
    """Run a scenario against a node. Fails with what the scenario complained about."""
    PICTURES.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        "node", "scenarios.mjs", scenario, chromium, f"{node.url}/", str(PICTURES),
        cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with time_limit(PATIENCE):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()  # it takes the browser with it
            await process.wait()
    assert process.returncode == 0, f"{said.decode()}\n{node.logs}"
