"""Readiness means this node: it says what requests get, and a node that alone is deaf hands its clients over."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import asyncpg
import pytest
import redis.asyncio

from gateway.dev.servers import PostgresProcess, RedisProcess
from tests.client.client import TRANSPORTS, Client
from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.faulty_cluster import FaultyCluster
from tests.cluster.haproxy import haproxy
from tests.cluster.readiness_watch import WELL, Said, watched
from tests.cluster.shop import PASSWORD, Shop, open_shop
from tests.proxy import Proxy
from tests.timing import allowed, until

OUTAGE = 4.0  # s
NOTICED = 3.0  # s until a node says that a server is away
DEAF = 5.0  # s until a node that alone is deaf is not ready
CLIENTS = 12
STREAMS = "/api/v1/streams"
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
SETTINGS: dict[str, Any] = {"TRUSTED_PROXIES": "127.0.0.1", "DRAIN_DELAY": "3s", "DRAIN_SPREAD": "1s"}


async def read_only(cluster: FaultyCluster) -> None:
    """PostgreSQL answers and takes no writes."""
    connection = await asyncpg.connect(cluster.postgres.url)
    try:
        await connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await connection.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(OUTAGE)  # the length of the fault
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


async def full(cluster: FaultyCluster) -> None:
    """Redis answers and takes no writes."""
    async with redis.asyncio.Redis.from_url(cluster.redis.url) as client:
        await client.config_set("maxmemory", 1)
        await asyncio.sleep(OUTAGE)  # the length of the fault
        await client.config_set("maxmemory", 0)


Fault = Callable[[FaultyCluster], Awaitable[None]]
# What nodes say and what an order gets while it lasts. PostgreSQL frozen and killed: test_database_outage.py.
FAULTS: dict[str, tuple[Fault, Said, int]] = {
    "Redis killed": (lambda cluster: cluster.kill_server(cluster.redis, OUTAGE), Said(200, "degraded", "down"), 201),
    "Redis frozen": (lambda cluster: cluster.freeze(cluster.redis.pid, OUTAGE), Said(200, "degraded", "down"), 201),
    "Redis full": (full, Said(200, "degraded", "full"), 201),
    "PostgreSQL read-only": (read_only, Said(503, "error", "up"), 503),
}


@pytest.mark.timeout(120)
async def test_readiness_matches_the_answers_to_requests(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with open_faulty_cluster(REDIS_TIMEOUT="1s") as cluster, watched(cluster.shop) as watch:
        for fault, (break_it, published, got) in FAULTS.items():
            begun = monotonic()
            await break_it(cluster)
            over = monotonic()
            took = await watch.all_well()
            print(f"{fault}: all are well {took:.1f} s after it was over")
            assert watch.between(begun + allowed(NOTICED), over) <= {published}, f"{fault}: for as long as it lasts"
            assert published in watch.between(begun, over), fault
            assert watch.between(begun, monotonic()) <= {WELL, published}, fault
            if got == 201:
                assert watch.ordered(begun, monotonic()) == {201}, f"{fault}: no order was refused"
            else:
                assert 503 in watch.ordered(begun, over), fault
                assert watch.ordered(begun, over) <= {201, 503}, fault
        assert not [line for line in cluster.log_lines() if "other nodes hear redis" in line]
        assert cluster.tracebacks() == []


async def test_a_frozen_database_costs_only_its_first_callers(open_faulty_cluster: OpenFaultyCluster) -> None:
    """During a known outage requests are refused immediately, over HTTP and at the handshake."""
    async with open_faulty_cluster(1, DATABASE_TIMEOUT="1s") as cluster, aiohttp.ClientSession() as http:
        url = cluster.shop.urls[0]

        async def ask(path: str) -> tuple[int, float]:
            begun = monotonic()
            async with http.get(f"{url}{path}") as answer:
                await answer.read()
                assert answer.status == 200 or int(answer.headers["Retry-After"]) >= 1
                return answer.status, monotonic() - begun

        async def known_to_be_away() -> bool:
            status, took = await ask(STREAMS)
            return status == 503 and took < 0.5

        fault = asyncio.ensure_future(cluster.freeze(cluster.postgres.pid, OUTAGE + 2))
        await until(known_to_be_away)
        answers = [await ask(path) for path in (STREAMS, HANDSHAKE) * 10 if not fault.done()]
        if not fault.done():  # a busy machine
            assert {status for status, _ in answers} == {503}
            slowest = max(took for _, took in answers)
            print(f"told after {slowest:.3f} s at the most")
            assert slowest < allowed(0.5)
        await fault

        async def back() -> bool:
            return {(await ask(path))[0] for path in (STREAMS, HANDSHAKE)} == {200}

        await until(back, within=10)
        assert cluster.tracebacks() == []


async def test_connecting_while_redis_is_full(open_faulty_cluster: OpenFaultyCluster) -> None:
    """Sockets connect, join and write; only what has to be stored in Redis is refused."""
    async with open_faulty_cluster() as cluster:
        shop = cluster.shop
        key, ann, bob = await shop.stream(), await shop.person(), await shop.person()
        async with redis.asyncio.Redis.from_url(cluster.redis.url) as client:
            await client.config_set("maxmemory", 1)
            here, there = [await shop.chatter(key, as_=who, node=node) for node, who in enumerate((ann, bob))]
            sent = await here.call("chat:send-message", {"liveId": key, "message": "still here"})
            await there.expect("chat:message", id=sent["id"])
            body = {"email": ann.email, "password": PASSWORD}
            refused = await shop.request("POST", "/auth/login", body=body, status={503})
            assert refused["errorCode"] == "SERVICE_UNAVAILABLE"
            await client.config_set("maxmemory", 0)
        await shop.request("POST", "/auth/login", body=body, status={200})
        lines = [line for line in shop.nodes[0].logs.splitlines() if "redis refuses " in line]
        assert len(lines) <= 2, "one when it begins, and one when it ends"
        assert cluster.tracebacks() == []


async def connections(shop: Shop, node: int) -> int:
    """How many clients a node has."""
    async with aiohttp.ClientSession() as http, http.get(f"{shop.urls[node]}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return round(sum(float(line.split()[-1]) for line in lines if line.startswith("dorami_connections{")))


async def test_a_deaf_node_closes_its_connections(
    client: Client, tmp_path: Path, own_postgres: PostgresProcess, own_redis: RedisProcess
) -> None:
    proxy = Proxy(own_redis)
    each = [{}, {"REDIS_URL": await proxy.start()}, {}]
    try:
        async with open_shop(client, tmp_path, own_postgres.url, own_redis.url, each=each, **SETTINGS) as shop:
            for node in shop.nodes:
                node.keep_port()
            async with haproxy(shop.nodes[:2], tmp_path) as url, watched(shop) as watch:
                key = await shop.stream()
                sockets = []
                for number, person in enumerate(await shop.clients(CLIENTS)):
                    transport = TRANSPORTS[number % len(TRANSPORTS)]
                    options: dict[str, Any] = {"transport": transport, "reconnection": True}
                    socket = await client.connect(url, "/chat", token=person.token, **options)
                    await socket.call("chat:join-room", {"liveId": key})
                    sockets.append(socket)
                speaker = await shop.chatter(key, node=2)
                first = await speaker.call("chat:send-message", {"liveId": key, "message": "who hears this?"})
                for socket in sockets:  # and learns a place, by which it can recover
                    await socket.expect("chat:message", id=first["id"])
                counts = [await connections(shop, node) for node in range(2)]
                print(f"clients by node: {counts}")
                assert counts[1], "some are on the node that goes deaf"

                begun = monotonic()
                proxy.stall()
                await until(lambda: watch.latest(1).code == 503, within=10, what="the deaf node is not ready")
                took = monotonic() - begun
                print(f"not ready {took:.1f} s after the cut")
                assert took < allowed(DEAF)
                assert watch.latest(1) == Said(503, "error", "down")

                async def handed_over() -> bool:
                    return await connections(shop, 1) == 0 and await connections(shop, 0) == CLIENTS

                await until(handed_over, within=15, pause=0.1, what="its clients are on the others")
                print(f"everybody is on the other nodes {monotonic() - begun:.1f} s after the cut")
                moved = [socket for socket in sockets if socket.lifecycle]
                assert len(moved) == counts[1]
                for socket in moved:
                    await socket.ended()
                    assert (await socket.connected()).recovered
                second = await speaker.call("chat:send-message", {"liveId": key, "message": "and this?"})
                for socket in sockets:
                    await socket.expect("chat:message", id=second["id"])

                proxy.resume()
                took = await watch.all_well()
                print(f"well {took:.1f} s after the cut was over")
                await shop.connect(await shop.person(), "/chat", node=1)
                others = {said for node in (0, 2) for _, said in watch.said[node]}
                assert others == {WELL}, "the others notice nothing"
                assert watch.ordered(begun, monotonic()) == {201}, "no order was refused, not even by the deaf node"
                assert shop.nodes[1].logs.count("other nodes hear redis, this one does not") == 1
    finally:
        await proxy.close()
