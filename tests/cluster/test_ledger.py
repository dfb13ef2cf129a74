"""Under load and faults an acked message is stored once, and read once by all members in the same order.

Short here. `LEDGER_SECONDS=60 pytest --timeout=900 -s tests/cluster/test_ledger.py` has more people, 20 seeds, and
faults that last as long as they do outside of tests.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.faulty_cluster import FaultyCluster
from tests.cluster.ledger import LONG, SECONDS, Ledger, Size, open_ledger
from tests.timing import allowed

SIZE = Size(rooms=3, listeners=270, officials=4, speakers=26, rate=50) if LONG else Size()
CROWD = Size(listeners=100 if LONG else 20, officials=4, speakers=20, rate=50)
AGAIN = 5.0  # s to flow again after a fault; 2 are promised, and a busy machine may need more
STOP = 10.0  # s that a node under load may take to stop


async def test_ledger_without_faults(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with open_faulty_cluster() as cluster, open_ledger(cluster, SIZE) as ledger:
        await (asyncio.sleep(SECONDS) if LONG else ledger.more(60))  # the length of the load
        await ledger.close()
        assert all(member.connects == 1 for member in ledger.members)
        assert all(member.reading.repeated == 0 for member in ledger.members)


async def test_ledger_with_redis_killed_frozen_and_cut(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with open_faulty_cluster() as cluster, open_ledger(cluster, SIZE) as ledger:
        await ledger.more()
        await cluster.kill_server(cluster.redis, 33 if LONG else 2)
        assert await ledger.flows_again("redis killed") < allowed(AGAIN)
        await cluster.freeze(cluster.redis.pid, 20 if LONG else 2)
        assert await ledger.flows_again("redis frozen") < allowed(AGAIN)
        await cluster.cut_redis(10, 0.1)
        assert await ledger.flows_again("redis cut ten times") < allowed(AGAIN)
        await ledger.close()


async def test_ledger_with_nodes_redis_and_postgresql_killed(open_faulty_cluster: OpenFaultyCluster) -> None:
    away = 5 if LONG else 1
    async with open_faulty_cluster(3) as cluster, open_ledger(cluster, CROWD) as ledger:
        for number in range(3 if LONG else 2):
            await ledger.more()
            await cluster.kill_node(cluster.nodes[number], away)
            assert await ledger.flows_again(f"node {number} killed") < allowed(AGAIN)
            server = (cluster.redis, cluster.postgres)[number % 2]
            await cluster.kill_server(server, away)
            assert await ledger.flows_again(f"{server.title} killed") < allowed(AGAIN)
        await ledger.close()
        assert sum(member.recovered for member in ledger.members) > 0
        # An outage is logged once, not once a message.
        assert sum("the database is away" in line for line in cluster.log_lines()) <= 2 * len(cluster.nodes)


async def test_ledger_with_both_nodes_restarted(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with open_faulty_cluster() as cluster, open_ledger(cluster, SIZE) as ledger:
        for _ in range(3 if LONG else 1):
            for node in cluster.nodes:
                await ledger.more()
                took = await cluster.restart_node(node)
                print(f"stopped in {took:.2f} s")
                assert took < allowed(STOP)
                await ledger.flows_again("node restarted")
        await ledger.close()
        check_warned(ledger)
        for node in cluster.nodes:
            closed = [line.rpartition("step=")[2].strip() for line in node.logs.splitlines() if "closed" in line]
            assert closed[:4] == ["socket.io", "redis", "http", "database"]


async def test_a_node_stops_in_time_while_its_servers_hang(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with open_faulty_cluster(SHUTDOWN_TIMEOUT="5s") as cluster, open_ledger(cluster, SIZE) as ledger:
        await ledger.more()
        frozen = asyncio.gather(
            cluster.freeze(cluster.redis.pid, 12 if LONG else 4),
            cluster.freeze(cluster.postgres.pid, 12 if LONG else 4),
        )
        await asyncio.sleep(0.5)  # requests of clients wait for the frozen servers
        took = await cluster.stop_node(cluster.nodes[0])
        print(f"stopped in {took:.2f} s")
        assert took < allowed(STOP)
        await frozen
        await cluster.nodes[0].start()
        await ledger.flows_again("servers frozen, a node stopped")
        await ledger.close()
        check_warned(ledger)


def check_warned(ledger: Ledger) -> None:
    """Check that members lost connections only to nodes that stopped, and got `server:shutdown` before each loss."""
    counts = [(type(member).__name__, member.warned, member.connects) for member in ledger.members]
    assert [each for each in counts if each[1] != each[2] - 1] == []


# --- at random --------------------------------------------------------------------------------------------------------

Fault = Callable[[FaultyCluster, random.Random], Awaitable[object]]

FAULTS: dict[str, Fault] = {
    "a node killed": lambda cluster, dice: cluster.kill_node(dice.choice(cluster.nodes), dice.uniform(0, 2)),
    "a node stopped": lambda cluster, dice: cluster.restart_node(dice.choice(cluster.nodes)),
    "a node frozen": lambda cluster, dice: cluster.freeze(dice.choice(cluster.nodes).pid, dice.uniform(0.2, 4)),
    "Redis killed": lambda cluster, dice: cluster.kill_server(cluster.redis, dice.uniform(0, 3)),
    "Redis frozen": lambda cluster, dice: cluster.freeze(cluster.redis.pid, dice.uniform(0.2, 3)),
    "Redis cut": lambda cluster, dice: cluster.cut_redis(dice.randrange(1, 5), dice.uniform(0, 0.5)),
    "PostgreSQL killed": lambda cluster, dice: cluster.kill_server(cluster.postgres, dice.uniform(0, 3)),
    "PostgreSQL frozen": lambda cluster, dice: cluster.freeze(cluster.postgres.pid, dice.uniform(0.2, 3)),
}


@pytest.mark.parametrize("seed", range(20) if LONG else range(1))
async def test_ledger_with_random_faults(open_faulty_cluster: OpenFaultyCluster, seed: int) -> None:
    dice = random.Random(seed)
    async with open_faulty_cluster() as cluster, open_ledger(cluster, SIZE) as ledger:
        loop = asyncio.get_running_loop()
        ends = loop.time() + (SECONDS or 8)
        while loop.time() < ends:
            name = dice.choice(sorted(FAULTS))
            print(name)
            await FAULTS[name](cluster, dice)
            await asyncio.sleep(dice.uniform(0, 2))
        assert await ledger.flows_again(f"seed {seed}") < allowed(AGAIN)
        await ledger.close()
        await everybody_is_counted(cluster, ledger)


async def everybody_is_counted(cluster: FaultyCluster, ledger: Ledger) -> None:
    """Wait until a room counts exactly its members."""
    for room in ledger.rooms:
        members = sum(member.key == room for member in ledger.members)
        await cluster.shop.settles(room, members, within=15)
