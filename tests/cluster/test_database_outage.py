"""What clients and operators see while PostgreSQL is away: clear errors in time, nothing half-done, well at once after.

`LEDGER_SECONDS=1` makes the outages longer.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import NamedTuple

import aiohttp
import asyncpg
import pytest

from gateway.keys import chat_room, room_log_name
from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.faulty_cluster import FaultyCluster
from tests.cluster.ledger import LONG, Size, open_ledger
from tests.cluster.wire_member import WireMember
from tests.timing import allowed, until

AWAY = 10.0 if LONG else 3.0  # s
IN_TIME = 4.0  # s for an error, and until a node is not ready; 3 are promised, and a busy machine may need more
AGAIN = 5.0  # s to be well again; 2 are promised
POOL = 3
SIZE = Size(listeners=60, speakers=20) if LONG else Size()


class Seen(NamedTuple):
    """One answer to an orchestrator."""

    moment: float
    ready: bool


@asynccontextmanager
async def probed(cluster: FaultyCluster) -> AsyncIterator[list[list[Seen]]]:
    """Record the readiness of each node continuously."""
    seen: list[list[Seen]] = [[] for _ in cluster.nodes]

    async def probe(url: str, answers: list[Seen]) -> None:
        async with aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"{url}/api/v1/health/ready") as response:
                    answers.append(Seen(monotonic(), response.status == 200))
                    assert response.status in (200, 503)
                await asyncio.sleep(0.1)

    probes = [asyncio.create_task(probe(node.url, answers)) for node, answers in zip(cluster.nodes, seen, strict=True)]
    try:
        yield seen
    finally:
        for task in probes:
            task.cancel()
        for task in probes:
            with suppress(asyncio.CancelledError):
                await task


async def locked(cluster: FaultyCluster) -> None:
    """Lock the tables of every request, so that all connections of all pools wait."""
    connection = await asyncpg.connect(cluster.postgres.url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE rooms, messages, streams, users IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(AWAY)  # the length of the fault
    finally:
        await connection.close()


OUTAGES: dict[str, Callable[[FaultyCluster], Awaitable[None]]] = {
    "killed": lambda cluster: cluster.kill_server(cluster.postgres, AWAY - 2),
    "frozen": lambda cluster: cluster.freeze(cluster.postgres.pid, AWAY),
    "locked": locked,
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_postgresql_outage(open_faulty_cluster: OpenFaultyCluster, outage: str) -> None:
    async with (
        open_faulty_cluster(DATABASE_POOL_SIZE=f"{POOL}", DATABASE_TIMEOUT="1.8s") as cluster,
        open_ledger(cluster, SIZE) as ledger,
        probed(cluster) as seen,
    ):
        await ledger.more()
        begun = monotonic()
        await OUTAGES[outage](cluster)
        over = monotonic()
        assert await ledger.flows_again(outage) < allowed(AGAIN)
        await ledger.close()
        print(f"slowest answer {max(sent.slowest for sent in ledger.sent):.2f} s")
        assert all(sent.slowest < allowed(IN_TIME) for sent in ledger.sent)
        assert {trouble for sent in ledger.sent for trouble in sent.troubles} == {"SERVICE_UNAVAILABLE"}
        assert all(member.connects == 1 for member in ledger.members), "nobody lost a connection for it"
        for answers in seen:
            if outage != "locked":  # a node that can still ask something is ready
                noticed = next(moment for moment, ready in answers if moment > begun and not ready)
                print(f"not ready after {noticed - begun:.2f} s")
                assert noticed - begun < allowed(IN_TIME)
            back = next(moment for moment, ready in answers if moment > over and ready)
            print(f"ready {back - over:.2f} s after it was over")
            assert back - over < allowed(AGAIN)
        await nothing_is_left_open(cluster)


async def nothing_is_left_open(cluster: FaultyCluster) -> None:
    """Wait until no transaction is open: one of a node's rounds may be. Check that no pool is too large."""
    connection = await asyncpg.connect(cluster.postgres.url)
    states: list[str] = []

    async def closed() -> bool:
        rows = await connection.fetch(
            "SELECT state FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        states[:] = [row["state"] for row in rows]
        return set(states) <= {"idle", "active"}

    try:
        await until(closed, what="no open transaction")
    finally:
        await connection.close()
    ours = 2  # the pool of the test itself
    assert len(states) <= POOL * len(cluster.nodes) + ours


async def test_senders_that_disconnect_before_the_ack(open_faulty_cluster: OpenFaultyCluster) -> None:
    dice = random.Random(7)
    async with open_faulty_cluster(DATABASE_POOL_SIZE=f"{POOL}") as cluster, open_ledger(cluster, SIZE) as ledger:
        key = await cluster.shop.stream()

        async def vanish(http: aiohttp.ClientSession, number: int) -> None:
            member = WireMember(http, cluster.somewhere, await cluster.shop.person(), key)
            await member.start()
            sends = [asyncio.create_task(member.say(f"{number}", f"{number}-{n}")) for n in range(5)]
            await asyncio.sleep(dice.uniform(0, 0.01))  # cancel in any state of the batches
            member.drop()
            await member.stop()
            for task in sends:
                task.cancel()
            await asyncio.gather(*sends, return_exceptions=True)

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            for storm in range(20 if LONG else 3):
                await asyncio.gather(*(vanish(http, 20 * storm + number) for number in range(20)))
        assert await ledger.flows_again("a storm") < allowed(AGAIN)
        await ledger.close()
        assert {trouble for sent in ledger.sent for trouble in sent.troubles} == set()
        await nothing_is_left_open(cluster)
        await everything_is_whole(cluster, key)


async def everything_is_whole(cluster: FaultyCluster, key: str) -> None:
    """Check that messages of lost senders are stored with their places in the log, or not at all."""
    connection = await asyncpg.connect(cluster.postgres.url)
    try:
        room = room_log_name(chat_room(key))
        head = await connection.fetchval("SELECT seq FROM rooms WHERE name = $1", room)
        messages = await connection.fetch("SELECT seq FROM messages WHERE stream_key = $1 ORDER BY seq", key)
        events = await connection.fetch("SELECT seq FROM room_events WHERE room = $1 ORDER BY seq", room)
    finally:
        await connection.close()
    places = list(range(1, head + 1))
    assert [row["seq"] for row in messages] == places
    assert [row["seq"] for row in events] == places[-len(events) :]  # a log forgets what is old
    print(f"{head} messages of those who vanished were stored")
