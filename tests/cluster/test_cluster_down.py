"""A Redis Cluster of which a master forgets another, or serves nothing: what nodes say of it and what people get."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from tests.client.client import Client
from tests.cluster.ledger import LONG
from tests.cluster.readiness_watch import Said, watched
from tests.cluster.shop import PASSWORD, open_shop
from tests.redis_topologies import ClusterTopology, Process
from tests.support import Node
from tests.timing import allowed, until, until_now

NOTICED = 3.0  # s until a node says that a part of Redis is away
WELL_AGAIN = 5.0  # s after the end until all is well
PARTIAL = Said(200, "degraded", "partial")


@pytest.fixture
def topology() -> Iterator[ClusterTopology]:
    with tempfile.TemporaryDirectory(prefix="dorami-test-") as folder, ClusterTopology(Path(folder)) as cluster:
        yield cluster


def ok(server: Process) -> bool:
    return "cluster_state:ok" in str(server.ask("CLUSTER", "INFO"))


def forget(cluster: ClusterTopology) -> None:
    """Make the first master forget the second, so that all slot maps are partial."""
    first, second = cluster.masters[:2]
    first.ask("CLUSTER", "FORGET", second.ask("CLUSTER", "MYID"))


def meet(cluster: ClusterTopology) -> None:
    """Add the second master again, after the minute in which servers refuse a forgotten one."""
    second = cluster.masters[1]

    def met() -> bool:
        for server in cluster.servers:
            cluster.introduce(second, server)
        time.sleep(1)  # by hand only: the servers refuse introductions for a minute
        return all(map(ok, cluster.servers))

    until_now(met, what="all know the second one again", within=90)


def drop_a_slot(cluster: ClusterTopology) -> None:
    """Remove a slot from all servers, so that its master serves nothing."""
    cluster.masters[0].ask("CLUSTER", "DELSLOTS", 0)


def add_the_slot(cluster: ClusterTopology) -> None:
    cluster.masters[0].ask("CLUSTER", "ADDSLOTS", 0)


Change = Callable[[ClusterTopology], None]
SPLITS: dict[str, tuple[Change, Change]] = {
    "a master forgets another": (forget, meet),  # how it ends is seen by hand: LEDGER_SECONDS=1
    "a slot has no server": (drop_a_slot, add_the_slot),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("split", SPLITS)
async def test_a_cluster_that_serves_a_part(
    client: Client, tmp_path: Path, database_url: str, topology: ClusterTopology, split: str
) -> None:
    begin, end = SPLITS[split]
    down = topology.masters[0]
    async with open_shop(client, tmp_path, database_url, topology.url) as shop, watched(shop) as watch:
        people, key = [await shop.person() for _ in range(12)], await shop.stream()

        async def login(status: set[int]) -> set[int]:
            answers = [
                await shop.request(
                    "POST", "/auth/login", body={"email": who.email, "password": PASSWORD}, node=n % 2, status=status
                )
                for n, who in enumerate(people)
            ]
            return {503 if "errorCode" in answer else 200 for answer in answers}

        assert await login({200}) == {200}
        here, there = [await shop.chatter(key, node=node) for node in (0, 1)]

        begun = monotonic()
        begin(topology)
        await until(lambda: not ok(down), what="the first master serves nothing")
        await until(lambda: {watch.latest(node) for node in (0, 1)} == {PARTIAL}, what="the nodes say so")
        print(f"said after {monotonic() - begun:.1f} s")
        assert monotonic() - begun < allowed(NOTICED)
        # People with a token are served, and connect; a login needs the server that would hold its session.
        for number, who in enumerate(people):
            await shop.request("GET", "/auth/me", token=who.token, node=number % 2, status={200})
        assert await login({200, 503}) == {200, 503}
        newcomers = [await shop.chatter(key, as_=who, node=n % 2) for n, who in enumerate(people)]
        sent = await here.call("chat:send-message", {"liveId": key, "message": "here"})
        for socket in (here, there, *newcomers):
            await socket.expect("chat:message", id=sent["id"])
        assert {watch.latest(node) for node in (0, 1)} == {PARTIAL}, "still"

        assert watch.ordered(begun, monotonic()) == {201}, "no order was refused"
        if end is meet and not LONG:
            return
        over = monotonic()
        await asyncio.to_thread(end, topology)
        await until(lambda: all(map(ok, topology.servers)), what="the cluster is whole", within=15)
        print(f"whole after {monotonic() - over:.1f} s, and")
        over = monotonic()
        await watch.all_well()
        print(f"well {monotonic() - over:.1f} s later")
        assert monotonic() - over < allowed(WELL_AGAIN)
        assert await login({200}) == {200}
        assert watch.ordered(begun, monotonic()) == {201}, "no order was refused"
        for node in shop.nodes:
            await until(partial(_logs, node, "redis refuses no more"), what="the end is logged")
            lines = [line for line in node.logs.splitlines() if "redis refuses" in line or "refused a command" in line]
            assert len(lines) == 2, lines
            assert "CLUSTERDOWN" in lines[0]
            assert "Traceback" not in node.logs


def _logs(node: Node, text: str) -> bool:
    return text in node.logs
