"""Under load, whatever dies: an acked message is stored once, and read once by everybody in the same order.

Short here. `LEDGER_SECONDS=60 pytest --timeout=900 -s tests/cluster/test_ledger.py` has more people, 20 seeds, and
faults that last as long as they do outside of tests.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from tests.cluster.conftest import OpenPark
from tests.cluster.ledger import LONG, SECONDS, Ledger, Size, open_ledger
from tests.cluster.park import Park

SIZE = Size(rooms=3, listeners=270, officials=4, speakers=26, rate=50) if LONG else Size()
CROWD = Size(listeners=100 if LONG else 20, officials=4, speakers=20, rate=50)
AGAIN = 5.0  # s to flow again after a fault; 2 are promised, and a busy machine may need more
STOP = 10.0  # s that a node under load may take to stop


async def test_without_faults(open_park: OpenPark) -> None:
    async with open_park() as park, open_ledger(park, SIZE) as ledger:
        await asyncio.sleep(SECONDS or 3)
        await ledger.close()
        assert all(member.connects == 1 for member in ledger.members)
        assert all(member.reading.repeated == 0 for member in ledger.members)


async def test_redis_killed_frozen_and_cut(open_park: OpenPark) -> None:
    async with open_park() as park, open_ledger(park, SIZE) as ledger:
        await asyncio.sleep(1)
        await park.kill_server(park.redis, 33 if LONG else 2)
        assert await ledger.flows_again("redis killed") < AGAIN
        await park.freeze(park.redis.pid, 20 if LONG else 2)
        assert await ledger.flows_again("redis frozen") < AGAIN
        await park.cut_redis(10, 0.1)
        assert await ledger.flows_again("redis cut ten times") < AGAIN
        await ledger.close()


async def test_nodes_redis_and_postgresql_killed_in_turn(open_park: OpenPark) -> None:
    away = 5 if LONG else 1
    async with open_park(3) as park, open_ledger(park, CROWD) as ledger:
        for number in range(3 if LONG else 2):
            await asyncio.sleep(0.5)
            await park.kill_node(park.nodes[number], away)
            assert await ledger.flows_again(f"node {number} killed") < AGAIN
            server = (park.redis, park.postgres)[number % 2]
            await park.kill_server(server, away)
            assert await ledger.flows_again(f"{server.title} killed") < AGAIN
        await ledger.close()
        assert sum(member.recovered for member in ledger.members) > 0
        # An outage is told once, not once a message.
        assert sum("the database is away" in line for line in park.log_lines()) <= 2 * len(park.nodes)


async def test_both_nodes_restarted_in_turn(open_park: OpenPark) -> None:
    async with open_park() as park, open_ledger(park, SIZE) as ledger:
        for _ in range(3 if LONG else 1):
            for node in park.nodes:
                await asyncio.sleep(0.5)
                took = await park.restart_node(node)
                print(f"stopped in {took:.2f} s")
                assert took < STOP
                await ledger.flows_again("node restarted")
        await ledger.close()
        # Whoever lost a connection was told before, and nobody lost more than their node did.
        assert all(member.warned == member.connects - 1 for member in ledger.members)
        for node in park.nodes:
            closed = [line.rpartition("step=")[2].strip() for line in node.logs.splitlines() if "closed" in line]
            assert closed[:4] == ["socket.io", "redis", "http", "database"]


async def test_a_node_whose_servers_hang_stops_in_time(open_park: OpenPark) -> None:
    async with open_park(SHUTDOWN_TIMEOUT="2s") as park, open_ledger(park, SIZE) as ledger:
        await asyncio.sleep(0.5)
        frozen = asyncio.gather(
            park.freeze(park.redis.pid, 12 if LONG else 4), park.freeze(park.postgres.pid, 12 if LONG else 4)
        )
        await asyncio.sleep(0.5)
        took = await park.stop_node(park.nodes[0])
        print(f"stopped in {took:.2f} s")
        assert took < STOP
        await frozen
        await park.nodes[0].start()
        await ledger.flows_again("servers frozen, a node stopped")
        await ledger.close()
        assert all(member.warned == member.connects - 1 for member in ledger.members)


# --- at random --------------------------------------------------------------------------------------------------------

Fault = Callable[[Park, random.Random], Awaitable[object]]

FAULTS: dict[str, Fault] = {
    "a node killed": lambda park, dice: park.kill_node(dice.choice(park.nodes), dice.uniform(0, 2)),
    "a node stopped": lambda park, dice: park.restart_node(dice.choice(park.nodes)),
    "a node frozen": lambda park, dice: park.freeze(dice.choice(park.nodes).pid, dice.uniform(0.2, 4)),
    "Redis killed": lambda park, dice: park.kill_server(park.redis, dice.uniform(0, 3)),
    "Redis frozen": lambda park, dice: park.freeze(park.redis.pid, dice.uniform(0.2, 3)),
    "Redis cut": lambda park, dice: park.cut_redis(dice.randrange(1, 5), dice.uniform(0, 0.5)),
    "PostgreSQL killed": lambda park, dice: park.kill_server(park.postgres, dice.uniform(0, 3)),
    "PostgreSQL frozen": lambda park, dice: park.freeze(park.postgres.pid, dice.uniform(0.2, 3)),
}


@pytest.mark.parametrize("seed", range(20) if LONG else range(1))
async def test_faults_at_random(open_park: OpenPark, seed: int) -> None:
    dice = random.Random(seed)
    async with open_park() as park, open_ledger(park, SIZE) as ledger:
        loop = asyncio.get_running_loop()
        ends = loop.time() + (SECONDS or 8)
        while loop.time() < ends:
            name = dice.choice(sorted(FAULTS))
            print(name)
            await FAULTS[name](park, dice)
            await asyncio.sleep(dice.uniform(0, 2))
        assert await ledger.flows_again(f"seed {seed}") < AGAIN
        await ledger.close()
        await everybody_is_counted(park, ledger)


async def everybody_is_counted(park: Park, ledger: Ledger) -> None:
    """A room counts its members and nobody else, soon."""
    for room in ledger.rooms:
        members = sum(member.key == room for member in ledger.members)
        await park.shop.settles(room, members, within=15)
