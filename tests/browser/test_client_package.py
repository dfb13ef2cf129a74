"""A page on the React hooks of `@dorami/client` in a real browser, as package.mjs has it."""

import asyncio
from pathlib import Path

from gateway.seeds import main as seeds
from tests import client_package
from tests.conftest import StartNode
from tests.programs import program
from tests.support import make_settings
from tests.timing import time_limit

HERE = Path(__file__).parent
PATIENCE = 60  # s on a busy machine; it takes a few


async def test_hooks_in_chromium_under_the_content_policy(database_url: str, start_node: StartNode) -> None:
    chromium = program("chromium", "chromium-browser", "google-chrome")
    await asyncio.to_thread(client_package.build)
    await seeds.sow(make_settings(database_url=database_url))
    node = await start_node()
    process = await asyncio.create_subprocess_exec(
        client_package.node(), "package.mjs", chromium, f"{node.url}/",
        cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with time_limit(PATIENCE):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, f"{output.decode()}\n{node.logs}"
