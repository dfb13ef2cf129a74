"""The pages of documents in a real browser, as documents.mjs has it."""

import pytest

from gateway.seeds import main as seeds
from tests.browser.scenarios import play
from tests.conftest import StartNode
from tests.support import make_settings


@pytest.mark.parametrize(
    ("scenario", "environment"),
    [
        pytest.param("documents", {}, id="the documents list all routes and events, and load nothing from elsewhere"),
        pytest.param("console", {}, id="the console connects, sends and shows what comes"),
        pytest.param("swagger", {}, id="Swagger UI tries a route under the policy of pages"),
        pytest.param("guides", {}, id="the guides lead to each other and are copied from"),
        pytest.param("quickstart", {"HOST": "localhost"}, id="the page of the quickstart works as it stands"),
    ],
)
async def test_documents_in_chromium(
    scenario: str, environment: dict[str, str], chromium: str, database_url: str, start_node: StartNode
) -> None:
    await seeds.sow(make_settings(database_url=database_url))
    await play(scenario, chromium, await start_node(**environment))
