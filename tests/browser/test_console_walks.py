"""What hosts and administrators do on the console's pages, in a real browser, as console_walks.mjs has it."""

import asyncio
from pathlib import Path

import pytest

from gateway.seeds import main as seeds
from tests import console
from tests.conftest import StartNode
from tests.programs import program
from tests.support import make_settings
from tests.timing import time_limit

HERE = Path(__file__).parent
PICTURES = HERE.parent.parent / "artifacts"  # of the pages, to be looked at
PATIENCE = 90.0  # s for a walk on a busy machine; each takes a few


@pytest.mark.parametrize(
    "walk",
    [
        pytest.param("streams", id="a host runs a stream, and is offered nothing that only others may"),
        pytest.param("products", id="two administrators who change the same product see both values"),
        pytest.param("people", id="an administrator keeps words, accounts, notifications and the log"),
    ],
)
async def test_console_in_chromium(walk: str, database_url: str, start_node: StartNode) -> None:
    await asyncio.to_thread(console.build)
    await seeds.sow(make_settings(database_url=database_url))
    node = await start_node(HTTP_RATE_LIMIT="100/minute", CURRENCY="KRW")
    PICTURES.mkdir(exist_ok=True)
    chromium = program("chromium", "chromium-browser", "google-chrome")
    process = await asyncio.create_subprocess_exec(
        *("node", "console_walks.mjs", walk, chromium, f"{node.url}/", str(PICTURES)),
        cwd=HERE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with time_limit(PATIENCE):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()  # it takes the browser with it
            await process.wait()
    assert process.returncode == 0, f"{said.decode()}\n{node.logs}"
