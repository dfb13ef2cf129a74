"""The fixtures of the tests with several nodes: two that all contract tests share, and the official client."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.client.client import Client, official_client
from tests.cluster.shop import Shop, open_shop
from tests.support import Databases, Keyspaces


@pytest.fixture(scope="session")
async def client() -> AsyncIterator[Client]:
    """The official client."""
    async with official_client() as client:
        yield client


@pytest.fixture(scope="session")
async def shared_shop(
    client: Client, databases: Databases, keyspaces: Keyspaces, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """Two nodes for the whole session."""
    folder = tmp_path_factory.mktemp("nodes")
    async with open_shop(client, folder, await databases.migrated(), keyspaces.fresh()) as shop:
        yield shop


@pytest.fixture
def shop(shared_shop: Shop) -> Iterator[Shop]:
    """Two nodes. Whatever a test does to them from outside, they must log no error."""
    before = [len(shared_shop.complaints(node)) for node in (0, 1)]
    yield shared_shop
    shared_shop.client.forget_all()
    assert [shared_shop.complaints(node)[count:] for node, count in enumerate(before)] == [[], []]
