"""The console in a real browser, as console.mjs has it; and where it is served."""

import asyncio

import aiohttp
import pytest

from gateway.seeds import main as seeds
from tests import console
from tests.browser.scenarios import Actions, play
from tests.conftest import StartNode
from tests.support import make_settings

# Every page is accessible, fits, and loads nothing from elsewhere; a moderator bans and undoes, in a list that stays
# where it is read; moderates by the keyboard alone; passwords are chosen; a lost connection is said, and caught up.
SCENARIOS = ("pages,moderation", "hour,passwords,killed")  # those with a comma between them share a browser


@pytest.mark.timeout(200)
async def test_console_in_chromium(chromium: str, database_url: str, start_node: StartNode) -> None:
    await asyncio.to_thread(console.build)
    await seeds.sow(make_settings(database_url=database_url))
    node = await start_node(CHAT_RATE_LIMIT="100000/second", CHAT_DISPLAY_RATE="0")
    node.keep_port()
    actions: Actions = {"kill": node.kill, "start": node.start}
    for scenarios in SCENARIOS:
        await play(scenarios, chromium, node, script="console.mjs", actions=actions)


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
