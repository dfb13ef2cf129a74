"""A message is reported in the shop page and reviewed in the console, in a real browser, as reports.mjs has it."""

import asyncio

from gateway.seeds import main as seeds
from tests import console, shop_page
from tests.browser.scenarios import play
from tests.conftest import StartNode
from tests.support import make_settings


async def test_a_message_is_reported_and_reviewed(chromium: str, database_url: str, start_node: StartNode) -> None:
    await asyncio.to_thread(console.build)
    await asyncio.to_thread(shop_page.build)
    await seeds.sow(make_settings(database_url=database_url))
    node = await start_node(HTTP_RATE_LIMIT="100/minute", REPORT_HIDE_AT="1")
    await play("reported", chromium, node)
