"""The suites of what is kept in Redis, run again on a cluster: its URL stands where a single server's does."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
from redis.asyncio import RedisCluster

from gateway import keys
from gateway.metrics import Metrics
from gateway.redis.client import RedisClient
from tests.redis_topologies import PASSWORD, ClusterTopology
from tests.support import make_settings


@pytest.fixture(scope="package")
def cluster() -> Iterator[ClusterTopology]:
    """Three masters and a replica of the last; who kills one ends the use of it: only the last module may."""
    with tempfile.TemporaryDirectory(prefix="dorami-test-") as folder, ClusterTopology(Path(folder)) as cluster:
        yield cluster


@pytest.fixture
def redis_url(cluster: ClusterTopology) -> str:
    """Return the cluster, empty."""
    cluster.flush()
    return cluster.url


@pytest.fixture
async def redis(
    redis_url: str, cluster: ClusterTopology, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RedisClient]:
    """Return a connection to the cluster, which sends commands without a key to all servers."""
    connected = RedisClient(make_settings(redis_url=redis_url), Metrics())
    observer = RedisCluster(
        host="127.0.0.1", port=cluster.masters[0].port, password=PASSWORD, decode_responses=True, protocol=2
    )
    everywhere = {"target_nodes": RedisCluster.PRIMARIES}
    for name, there in {
        "keys": "keys",
        "dbsize": "dbsize",
        "pubsub_numsub": "pubsub_shardnumsub",
    }.items():
        monkeypatch.setattr(connected.client, name, partial(getattr(observer, there), **everywhere))

    async def flushdb() -> None:
        # The list of nodes last: its loss is what a node notices, and a beat may come between two servers.
        await observer.initialize()
        last = observer.get_node_from_key(keys.nodes())
        for server in sorted(observer.get_primaries(), key=lambda server: server == last):
            await observer.flushdb(target_nodes=[server])

    monkeypatch.setattr(connected.client, "flushdb", flushdb)
    monkeypatch.setattr(connected.client, "script_flush", observer.script_flush)
    monkeypatch.setattr(connected.client, "publish", connected.client.spublish)
    yield connected
    await connected.close()
    await observer.aclose()
