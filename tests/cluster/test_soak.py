"""Clients connect and leave for minutes while rooms talk and Redis is restarted: the memory of nodes does not grow.

Only by hand, where nothing else runs: `LEDGER_SECONDS=600 pytest --timeout=0 -s tests/cluster/test_soak.py`.
"""

import asyncio
import random
import secrets
from contextlib import suppress
from time import monotonic
from typing import NamedTuple

import aiohttp
import psutil
import pytest

from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.faulty_cluster import FaultyCluster
from tests.cluster.ledger import LONG, SECONDS, Ledger, Size, open_ledger
from tests.cluster.shop import Person
from tests.cluster.wire_member import WireMember

SIZE = Size(rooms=3, listeners=40, officials=4, speakers=20, rate=50)
CHURN = 20.0  # people who come, and who go, per second
PEOPLE = 400
STAY = 10.0  # s at most: about a hundred of them are there at any time
RESTART = 60.0  # s between two deaths of Redis
WARM = 1 / 2  # of the time, until caches and heaps are as large as they get
SLOPE = 1.0  # MB per minute, that a node may grow by

pytestmark = pytest.mark.skipif(not LONG, reason="takes minutes: set LEDGER_SECONDS")


class Sample(NamedTuple):
    """What a node holds at a moment."""

    minutes: float
    megabytes: float
    files: int


async def pass_by(http: aiohttp.ClientSession, cluster: FaultyCluster, person: Person, key: str) -> None:
    """Somebody comes, listens, says something, and goes, in good order or not."""
    member = WireMember(http, cluster.somewhere, person, key)
    try:
        with suppress(TimeoutError, ConnectionError):
            await member.start()
            await member.say("hello", secrets.token_hex(8))
            await asyncio.sleep(random.uniform(0, STAY))  # a visit
        if random.random() < 0.5:
            member.drop()
    finally:
        await member.stop()


async def churn(cluster: FaultyCluster, key: str) -> None:
    """Open visits without a pause."""
    people = [
        await cluster.shop.person() for _ in range(PEOPLE)
    ]  # the same people again and again, so that caches of people are full
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http, asyncio.TaskGroup() as visits:
        while True:
            visits.create_task(pass_by(http, cluster, random.choice(people), key))
            await asyncio.sleep(random.expovariate(CHURN))


async def restart_redis(cluster: FaultyCluster) -> None:
    """Kill Redis now and then."""
    while True:
        await asyncio.sleep(RESTART)
        await cluster.kill_server(cluster.redis, 1)


async def weigh(cluster: FaultyCluster, samples: list[list[Sample]]) -> None:
    """Record memory and files of the nodes each second."""
    begun = monotonic()
    processes = [psutil.Process(node.pid) for node in cluster.nodes]
    while True:
        for process, node_samples in zip(processes, samples, strict=True):
            minutes = (monotonic() - begun) / 60
            node_samples.append(Sample(minutes, process.memory_info().rss / 1e6, process.num_fds()))
        await asyncio.sleep(1)


def slope(samples: list[Sample]) -> float:
    """Return the growth in MB per minute: least squares."""
    count = len(samples)
    minutes = sum(sample.minutes for sample in samples) / count
    megabytes = sum(sample.megabytes for sample in samples) / count
    up = sum((sample.minutes - minutes) * (sample.megabytes - megabytes) for sample in samples)
    return up / sum((sample.minutes - minutes) ** 2 for sample in samples)


async def quiet(cluster: FaultyCluster, ledger: Ledger) -> list[int]:
    """Return the files of each node when only the ledger's members are there."""
    await asyncio.sleep(5)  # files of the last requests are closed
    counted = sum([await cluster.shop.sockets(number) for number, _ in enumerate(cluster.nodes)])
    assert counted == len(ledger.members)
    return [psutil.Process(node.pid).num_fds() for node in cluster.nodes]


async def test_memory_does_not_grow(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with (
        open_faulty_cluster(PING_INTERVAL="5s", PING_TIMEOUT="5s") as cluster,
        open_ledger(cluster, SIZE) as ledger,
    ):
        samples: list[list[Sample]] = [[] for _ in cluster.nodes]
        before = await quiet(cluster, ledger)
        key = await cluster.shop.stream()
        work = [
            asyncio.create_task(task) for task in (churn(cluster, key), restart_redis(cluster), weigh(cluster, samples))
        ]
        done, _ = await asyncio.wait(work, timeout=SECONDS, return_when=asyncio.FIRST_EXCEPTION)
        assert not done, done
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await asyncio.sleep(10)  # lost connections are noticed by their pings
        after = await quiet(cluster, ledger)
        await ledger.close()
    settled = [[sample for sample in one if sample.minutes > WARM * SECONDS / 60] for one in samples]
    growth = [slope(one) for one in settled]
    for number, one in enumerate(samples):
        print(
            f"node {number}: {one[0].megabytes:.1f} MB at first, {settled[number][0].megabytes:.1f} warm, "
            f"{one[-1].megabytes:.1f} at last, {growth[number]:+.2f} MB/min; files {before[number]} to "
            f"{max(sample.files for sample in one)} to {after[number]}"
        )
    assert max(growth) < SLOPE
    assert all(last <= first + 15 for last, first in zip(after, before, strict=True))  # the pools' connections
