"""What hosts and administrators do on the console's pages, in a real browser, as console_walks.mjs has it."""

import asyncio

import pytest

from gateway.seeds import main as seeds
from tests import console
from tests.browser.scenarios import play
from tests.conftest import StartNode
from tests.support import make_settings


@pytest.mark.parametrize(
    "walk",
    [
        pytest.param("streams", id="a host runs a stream, and is offered nothing that only others may"),
        pytest.param("products", id="two administrators who change the same product see both values"),
        pytest.param("people", id="an administrator keeps words, accounts, notifications and the log"),
    ],
)
async def test_console_in_chromium(walk: str, chromium: str, database_url: str, start_node: StartNode) -> None:
    await asyncio.to_thread(console.build)
    await seeds.sow(make_settings(database_url=database_url))
    node = await start_node(HTTP_RATE_LIMIT="100/minute", CURRENCY="KRW")
    await play(walk, chromium, node, script="console_walks.mjs")
