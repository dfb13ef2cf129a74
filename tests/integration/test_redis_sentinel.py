"""Redis under sentinels: fan-out, presence and limits when the master is lost and a replica is promoted."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.metrics import Metrics
from gateway.realtime.fanout import subscriber
from gateway.redis.client import RedisClient
from tests.integration.test_redis_faults import ROOM, Node, close, delivered, flows, make_node, send_messages
from tests.redis_topologies import PASSWORD, SentinelTopology, problem_at_start
from tests.support import frozen, make_settings
from tests.timing import until


@pytest.fixture(scope="module")
def quiet() -> Iterator[SentinelTopology]:
    """Return a topology whose master stays, for all tests of this module."""
    with tempfile.TemporaryDirectory(prefix="dorami-test-") as folder, SentinelTopology(Path(folder)) as servers:
        yield servers


@pytest.fixture
def servers() -> Iterator[SentinelTopology]:
    """Return a topology of this test's own, whose master may be lost."""
    with tempfile.TemporaryDirectory(prefix="dorami-test-") as folder, SentinelTopology(Path(folder)) as servers:
        yield servers


@pytest.fixture
async def pair(servers: SentinelTopology) -> AsyncIterator[list[Node]]:
    nodes = [await make_node(servers.url, name) for name in "ab"]
    for node in nodes:
        await node.fanout.watch(ROOM)
    yield nodes
    for node in nodes:
        await close(node)


async def count_is(node: Node, count: int) -> None:
    async def counted() -> bool:
        return (await node.presence.census(ROOM)).count == count

    await until(counted)


async def test_nodes_follow_the_master_when_it_hangs(
    servers: SentinelTopology, pair: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed one is in tests/cluster/test_redis_forms.py."""
    monkeypatch.setattr(subscriber, "DEAF_AFTER", 1.2)
    a, b = pair
    await a.presence.enter(ROOM, "mina")
    await b.presence.enter(ROOM, "jun")
    await asyncio.gather(*(a.limiter.charge("chat", "mina", 20, 60.0) for _ in range(10)))  # fills the pool
    await flows(b, a, 30_000, within=2)
    stop = asyncio.Event()
    sending = asyncio.create_task(send_messages(a, 0, stop))
    await delivered(b)
    lost = servers.master
    with frozen(lost):
        # Publishing goes on: members on the publisher's own node must not wait or miss anything.
        await until(lambda: servers.master is not lost, within=15, what="the replica is the master")
        promoted = time.monotonic()
        await flows(b, a, 10_000, within=5)
        await flows(a, b, 20_000, within=5)
        print(f"{time.monotonic() - promoted:.2f} s after the promotion both receive each other's messages again")
        stop.set()
        count = await sending
        await a.inbox.until(lambda _: a.received(0, count))
        for node in pair:
            await count_is(node, 2)
        assert (await b.limiter.charge("chat", "jun", 20, 60.0)).remaining == 19
        await until(lambda: all(node.fanout.healthy and not node.degraded for node in pair))
        assert len(await a.redis.client.client_list(_type="normal")) <= 2 * (5 + 1) + len(servers.sentinels) * 2 + 1


async def test_the_pool_waits_when_it_is_full(quiet: SentinelTopology) -> None:
    redis = RedisClient(make_settings(redis_url=quiet.url, redis_pool_size=3), Metrics())
    await asyncio.gather(*(redis.client.incr("x") for _ in range(50)))
    assert await redis.client.get("x") == "50"
    assert quiet.master.ask("CLIENT", "LIST", "TYPE", "normal").count(" name= ") <= 3 + 1
    await redis.close()


async def test_missing_sentinels_are_tolerated(quiet: SentinelTopology) -> None:
    first, second, _ = quiet.sentinels
    second.kill()
    with frozen(first):
        redis = RedisClient(make_settings(redis_url=quiet.url), Metrics())
        assert await redis.ping()
        await redis.close()


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("/mymaster", "/other", "has no master of this name at its sentinels"),
        (f":{PASSWORD}@", ":wrong@", "refuses the user name or the password at its sentinels"),
    ],
)
async def test_what_is_wrong_with_the_address_of_sentinels_is_told(
    quiet: SentinelTopology, right: str, wrong: str, problem: str
) -> None:
    quiet.sentinels[1].kill()  # the others' answers count
    assert await problem_at_start(quiet.url.replace(right, wrong)) == f"redis {problem}"
    await asyncio.to_thread(quiet.sentinels[1].start)


async def test_a_url_of_another_form_is_told(quiet: SentinelTopology) -> None:
    sentinel, master = quiet.sentinels[0], quiet.master
    access = f"://:{PASSWORD}@127.0.0.1"
    for url, problem in {
        f"redis{access}:{sentinel.port}": "is a sentinel: REDIS_URL must begin with redis-sentinel://",
        f"redis-sentinel{access}:{master.port}": "is no sentinel, as REDIS_URL says",
        f"redis-cluster{access}:{master.port}": "is no cluster, as REDIS_URL says",
    }.items():
        assert await problem_at_start(url) == f"redis {problem}"
