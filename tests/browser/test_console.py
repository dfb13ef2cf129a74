"""The console in a real browser, as console.mjs has it; and where it is served."""

import asyncio

import aiohttp
import pytest

from gateway.seeds import main as seeds
from tests import console
from tests.browser.scenarios import play
from tests.conftest import StartNode
from tests.support import make_settings


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param("pages", id="every page is accessible, fits, and loads nothing from elsewhere"),
        pytest.param("moderation", id="a moderator bans and undoes by keyboard, in a list that stays where it is read"),
        pytest.param("killed", id="the console says that the connection is away, and goes on"),
    ],
)
async def test_console_in_chromium(scenario: str, chromium: str, database_url: str, start_node: StartNode) -> None:
    await asyncio.to_thread(console.build)
    await seeds.sow(make_settings(database_url=database_url))
    node = await start_node(CHAT_RATE_LIMIT="100000/second", CHAT_DISPLAY_RATE="0")
    node.keep_port()
    await play(scenario, chromium, node, script="console.mjs", actions={"kill": node.kill, "start": node.start})


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
