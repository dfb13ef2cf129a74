"""What hosts and administrators do on the console's pages, in a real browser, as console_walks.mjs has it."""

import asyncio

import pytest

from gateway.seeds import main as seeds
from tests import console
from tests.browser.scenarios import play
from tests.conftest import StartNode
from tests.support import make_settings

# A host runs a stream, and is offered nothing that only others may; two administrators who change the same product see
# both values; an administrator keeps words, accounts, notifications and the log.
WALKS = ("streams", "products", "people")


@pytest.mark.timeout(150)
async def test_walks_of_the_console_in_chromium(chromium: str, database_url: str, start_node: StartNode) -> None:
    await asyncio.to_thread(console.build)
    await seeds.sow(make_settings(database_url=database_url))
    node = await start_node(CURRENCY="KRW", IMAGE_ORIGINS="https://images.shop.example")
    await play(",".join(WALKS), chromium, node, script="console_walks.mjs")
