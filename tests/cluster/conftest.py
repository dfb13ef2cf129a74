"""The fixtures of the tests with several nodes: two that all contract tests share, and the official client."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.dev.servers import PostgresProcess, RedisProcess
from tests.client.client import Client, official_client
from tests.cluster.faulty_cluster import FaultyCluster
from tests.cluster.shop import Shop, open_shop
from tests.support import Databases, Keyspaces

WEBHOOK_SECRET = "whsec_dGhlIG1lZGlhIHNlcnZlciBvZiB0aGUgdGVzdHM="  # of the media server

OpenFaultyCluster = Callable[..., AbstractAsyncContextManager[FaultyCluster]]


@pytest.fixture(scope="session")
async def client() -> AsyncIterator[Client]:
    """Return the official client."""
    async with official_client() as client:
        yield client


@pytest.fixture(scope="session")
async def shared_shop(
    client: Client, databases: Databases, keyspaces: Keyspaces, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """Two nodes for the whole session."""
    folder = tmp_path_factory.mktemp("nodes")
    servers = await databases.migrated(), keyspaces.fresh()
    environment: dict[str, Any] = {
        "MEDIA_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STREAM_END_GRACE": "1s",
        "REPORT_HIDE_AT": "3",
    }
    async with open_shop(client, folder, *servers, **environment) as shop:
        yield shop


@pytest.fixture
def shop(shared_shop: Shop) -> Iterator[Shop]:
    """Two nodes. Whatever a test does to them from outside, they must log no error."""
    before = [len(shared_shop.complaints(node)) for node in (0, 1)]
    yield shared_shop
    shared_shop.client.forget_all()
    assert [shared_shop.complaints(node)[count:] for node, count in enumerate(before)] == [[], []]


@pytest.fixture
def open_faulty_cluster(
    client: Client, tmp_path: Path, own_postgres: PostgresProcess, own_redis: RedisProcess
) -> OpenFaultyCluster:
    """Open nodes on servers of this test alone, without limits that a load meets: `open_faulty_cluster(3, A="b")`."""

    @asynccontextmanager
    async def opened(nodes: int = 2, **environment: str) -> AsyncIterator[FaultyCluster]:
        rates = {f"{name}_RATE_LIMIT": "100000/second" for name in ("CHAT", "EVENT", "JOIN")}
        rates["CHAT_DISPLAY_RATE"] = "0"
        servers = own_postgres.url, own_redis.url
        async with open_shop(client, tmp_path, *servers, size=nodes, each=(), **(rates | environment)) as shop:
            yield FaultyCluster(shop, own_postgres, own_redis)

    return opened
