"""A page on the React hooks of `@dorami/client` in a real browser, as package.mjs has it."""

import asyncio

import pytest

from gateway.seeds import main as seeds
from tests import client_package
from tests.browser.scenarios import run
from tests.conftest import StartNode
from tests.support import make_settings


@pytest.mark.timeout(180)
async def test_hooks_in_chromium_under_the_content_policy(
    chromium: str, database_url: str, start_node: StartNode
) -> None:
    await asyncio.to_thread(client_package.build)
    await seeds.sow(make_settings(database_url=database_url))
    node = await start_node()
    await run(client_package.node(), "package.mjs", chromium, f"{node.url}/")
