"""Two nodes on Redis under sentinels, and on a cluster: what their clients see when a master is lost in the middle."""

import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.keys import chat_room, room_channel
from tests.client.client import Client
from tests.client.socket import RefusedError
from tests.cluster.shop import open_shop
from tests.redis_topologies import ClusterTopology, Process, SentinelTopology
from tests.timing import allowed, until

BOUND = 5.0  # s after a promotion, in which everything flows again

Servers = SentinelTopology | ClusterTopology


@pytest.fixture(params=[SentinelTopology, ClusterTopology], ids=["sentinel", "cluster"])
def topology(request: pytest.FixtureRequest) -> Iterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="dorami-test-") as folder, request.param(Path(folder)) as servers:
        yield servers


def master(servers: Servers) -> Process:
    """Return the one with a replica."""
    return servers.masters[-1] if isinstance(servers, ClusterTopology) else servers.master


def promoted(servers: Servers, lost: Process) -> bool:
    if isinstance(servers, ClusterTopology):
        return bool(servers.replica.ask("ROLE")[0] == "master")
    return servers.master is not lost


async def test_messages_flow_after_a_master_is_lost(
    client: Client, tmp_path: Path, database_url: str, topology: Servers
) -> None:
    async with open_shop(client, tmp_path, database_url, topology.url) as shop:
        lost = master(topology)
        while True:  # until the stream's chat is one that the lost master carries
            key = await shop.stream()
            if isinstance(topology, SentinelTopology) or topology.owner(room_channel(chat_room(key))) is lost:
                break
        ears = [await shop.chatter(key, node=node) for node in (0, 1)]
        talkers = [await shop.chatter(key, node=number % 2) for number in range(6)]
        watches = await shop.viewer(key, node=1)
        await shop.viewer(key, node=0)
        await watches.expect("stream:viewer:update", viewerCount=2)

        lost.kill()
        sent, there = [], 0.0
        for number in itertools.count():
            talker = talkers[number % 6]
            sent.append((await talker.call("chat:send-message", {"liveId": key, "message": f"{number}"}))["id"])
            await talker.expect("chat:message", id=sent[-1])  # members on its own node receive it immediately
            there = there or (time.monotonic() if promoted(topology, lost) else 0.0)
            try:
                await talkers[(number + 1) % 6].expect("chat:message", within=0.3, id=sent[-1])
            except AssertionError:
                assert not there or time.monotonic() - there < allowed(BOUND)
            else:
                if there:
                    break
        print(f"flows again {time.monotonic() - there:.2f} s after the promotion, {len(sent)} messages were sent")
        for ear in ears:  # all members receive every acked message once and in order
            received = await ear.expect_all("chat:message", len(sent))
            assert [event["data"]["id"] if "data" in event else event["id"] for event in received] == sent

        async def another_viewer() -> bool:
            try:
                await shop.viewer(key, node=0)
            except RefusedError:  # the node may refuse for a moment after the promotion
                return False
            return True

        await until(another_viewer, within=BOUND)
        await watches.expect("stream:viewer:update", viewerCount=3, within=BOUND)
        assert not [line for node in shop.nodes for line in node.logs.splitlines() if "Traceback" in line]
