"""The demo page and the page of documents in a real browser, as scenarios.mjs has it."""

import asyncio
from pathlib import Path

import pytest

from gateway.seeds import main as seeds
from tests.conftest import StartNode
from tests.programs import program
from tests.support import Node, make_settings
from tests.timing import time_limit

HERE = Path(__file__).parent
PICTURES = HERE.parent.parent / "artifacts"  # of the page, to be looked at
PATIENCE = 90  # s for a scenario on a busy machine; each takes a few


@pytest.fixture(scope="module")
def chromium() -> str:
    """Return the browser of this machine."""
    return program("chromium", "chromium-browser", "google-chrome")


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


@pytest.mark.parametrize(
    ("scenario", "environment"),
    [
        pytest.param("together", {}, id="two tabs see each other's messages, deletions, prices, stock and presence"),
        pytest.param("tunnel", {}, id="who was without a connection gets what was missed and sends what was written"),
        pytest.param("refused", {}, id="a refusal is said and has a way out"),
        pytest.param("moderated", {}, id="all see what moderators pin, delete and clear, and whom they mute and ban"),
        pytest.param("ruled", {}, id="who cannot write is told why, and for how long"),
        pytest.param("shown", {}, id="the featured product, notifications and the end of the stream are shown"),
        pytest.param("documents", {}, id="the documents list all routes and events, and load nothing from elsewhere"),
        pytest.param("console", {}, id="the console connects, sends and shows what comes"),
        pytest.param("swagger", {}, id="Swagger UI tries a route under the policy of pages"),
        pytest.param("guides", {}, id="the guides lead to each other and are copied from"),
        pytest.param("quickstart", {"HOST": "localhost"}, id="the page of the quickstart works as it stands"),
        pytest.param("renewed", {"JWT_EXPIRATION": "4s"}, id="tokens are renewed under live sockets"),
    ],
)
async def test_pages_in_chromium(
    scenario: str, environment: dict[str, str], chromium: str, database_url: str, start_node: StartNode
) -> None:
    await seeds.sow(make_settings(database_url=database_url))
    await play(scenario, chromium, await start_node(**environment))
