"""The console in a real browser, as console.mjs has it; and where it is served."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from gateway.seeds import main as seeds
from tests import console
from tests.conftest import StartNode
from tests.programs import program
from tests.support import Node, make_settings
from tests.timing import time_limit

HERE = Path(__file__).parent
PICTURES = HERE.parent.parent / "artifacts"  # of the pages, to be looked at
PATIENCE = 120  # s for a scenario on a busy machine; each takes about ten


async def play(scenario: str, node: Node) -> None:
    """Run a scenario against a node, which it may have killed and started."""
    chromium = program("chromium", "chromium-browser", "google-chrome")
    PICTURES.mkdir(exist_ok=True)
    node.keep_port()
    process = await asyncio.create_subprocess_exec(
        "node", "console.mjs", scenario, chromium, f"{node.url}/", str(PICTURES),
        cwd=HERE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    said = ""
    actions = {"kill": node.kill, "start": node.start}
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


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param("pages", id="every page is accessible, fits, and loads nothing from elsewhere"),
        pytest.param("moderation", id="a moderator bans and undoes by keyboard, in a list that stays where it is read"),
        pytest.param("killed", id="the console says that the connection is away, and goes on"),
    ],
)
async def test_console_in_chromium(scenario: str, database_url: str, start_node: StartNode) -> None:
    await asyncio.to_thread(console.build)
    await seeds.sow(make_settings(database_url=database_url))
    await play(scenario, await start_node(CHAT_RATE_LIMIT="100000/second", CHAT_DISPLAY_RATE="0"))


async def test_production_serves_the_console_and_no_page_of_development(start_node: StartNode) -> None:
    await asyncio.to_thread(console.build)
    secret = "a secret of this test, long enough"
    node = await start_node(APP_ENV="production", JWT_SECRET=secret, CORS_ORIGINS="https://shop.example")
    async with aiohttp.ClientSession(node.url) as http:
        for path, status in (("/console", 200), ("/", 404), ("/shop", 404), ("/assets/main.js", 404)):
            async with http.get(path) as answer:
                assert (path, answer.status) == (path, status)
    await node.stop()
    off = await start_node(CONSOLE="false")
    async with aiohttp.ClientSession(off.url) as http:
        assert (await http.get("/console")).status == 404
