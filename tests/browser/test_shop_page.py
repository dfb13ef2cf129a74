"""The shop page in a real browser, as shop.mjs has it."""

import asyncio
from pathlib import Path

import pytest

from gateway.dev.servers import ffmpeg
from gateway.dev.video import film
from gateway.http.pages import VIDEO
from gateway.seeds import main as seeds
from tests import client_package, shop_page
from tests.browser.scenarios import play
from tests.conftest import StartNode
from tests.support import make_settings


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the video of development, if the stack's ffmpeg is installed."""
    folder = tmp_path_factory.mktemp("media")
    if (program := ffmpeg()) is not None:
        with film(str(program), folder / VIDEO) as wait:
            wait()
        assert (folder / VIDEO).stat().st_size > 0
    return folder


@pytest.fixture(scope="module")
async def built() -> None:
    """Build the page, and the client package that stands for the staff."""
    await asyncio.to_thread(client_package.build)
    await asyncio.to_thread(shop_page.build)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("scenario", "environment"),
    [
        pytest.param("together", {}, id="two people see each other's messages, deletions, prices, stock and orders"),
        pytest.param("away", {}, id="who was without a connection misses nothing, and a refusal has a way out"),
        pytest.param("moderated", {}, id="all see what moderators pin, delete and clear, and whom they mute and ban"),
        pytest.param("ruled", {}, id="who cannot write is told why, and for how long"),
        pytest.param("shown", {}, id="the product on air, deals, notifications, the beginning and the end are shown"),
        pytest.param("looks", {}, id="all views fit phones, in both languages, and are accessible"),
        pytest.param("renewed", {"JWT_EXPIRATION": "4s"}, id="tokens are renewed under live sockets"),
    ],
)
async def test_shop_page_in_chromium(
    scenario: str,
    environment: dict[str, str],
    chromium: str,
    media: Path,
    database_url: str,
    start_node: StartNode,
) -> None:
    await seeds.sow(make_settings(database_url=database_url))
    await play(scenario, chromium, await start_node(CURRENCY="KRW", MEDIA_FOLDER=str(media), **environment))
