"""A sale while nodes and servers die: every order once, and its events once and in order at the official client."""

import asyncio
import itertools
from collections import Counter
from contextlib import suppress
from typing import Any

import aiohttp
import asyncpg

from gateway.keys import admins_room, room_log_name
from tests.client.socket import ClientSocket
from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.faulty_cluster import FaultyCluster
from tests.cluster.shop import Person, Shop
from tests.timing import grows, time_limit

SETTLE = 15.0  # s that the last event may take to the last follower, when all servers are there again
BUYERS = 6


class Buyer:
    """Places one order after the other, at any node that answers; repeats requests without an answer."""

    def __init__(self, shop: Shop, who: Person, product: dict[str, Any], http: aiohttp.ClientSession) -> None:
        self._shop = shop
        self._who = who
        self._http = http
        self._body = {"items": [{"productId": product["id"], "quantity": 1}]}
        self.bought: list[str] = []
        self.retries = 0
        self.open = True

    async def run(self) -> None:
        """Buy until the sale is over; return when every request has an answer."""
        for number in itertools.count():
            if not self.open:
                return
            self.bought.append(await self._buy(f"key-{number}"))
            await asyncio.sleep(0.02)  # between two orders

    async def _buy(self, key: str) -> str:
        headers = {"Authorization": f"Bearer {self._who.token}", "Idempotency-Key": key}
        for node in itertools.cycle(self._shop.nodes):
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._http.post(f"{node.url}/api/v1/orders", json=self._body, headers=headers) as response:
                    assert response.status in {201, 503}, await response.text()
                    if response.status == 201:
                        return str((await response.json())["id"])
            self.retries += 1
            await asyncio.sleep(0.05)  # between two tries
        raise AssertionError("unreachable")


async def follow(shop: Shop, key: str, node: int) -> ClientSocket:
    """Return a socket that follows the products of a stream."""
    socket = await shop.connect(await shop.person(), "/", node=node)
    await socket.call("join:stream", {"streamId": key})
    return socket


async def ready(cluster: FaultyCluster) -> None:
    """Wait until every node has all its servers."""
    async with time_limit(SETTLE), aiohttp.ClientSession() as http:
        for node in cluster.nodes:
            while True:
                async with http.get(f"{node.url}/api/v1/health/ready") as response:
                    if response.status == 200:
                        break
                await asyncio.sleep(0.05)


async def more(buyers: list[Buyer], count: int = 20) -> None:
    """Wait until `count` more orders are placed."""
    await grows(lambda: sum(len(buyer.bought) for buyer in buyers), count, within=SETTLE, what="orders")


async def disturb(cluster: FaultyCluster, guest: ClientSocket, buyers: list[Buyer]) -> None:
    """Kill the node of a follower, which reconnects to the other node; then kill Redis; both during the sale."""
    await more(buyers)
    await cluster.nodes[0].kill()
    await guest.ended()
    await guest.reconnect(url=cluster.nodes[1].url)
    assert guest.recovered
    await more(buyers)
    await cluster.nodes[0].start()
    await more(buyers)
    await cluster.kill_server(cluster.redis, 1.0)
    await more(buyers)


async def test_a_sale_with_nodes_and_redis_killed(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with open_faulty_cluster(2) as cluster, aiohttp.ClientSession() as http:
        shop = cluster.shop
        key = await shop.stream()
        product = await shop.product(key, stock=1_000_000)
        guest, stays = await follow(shop, key, 0), await follow(shop, key, 1)
        admin = await shop.connect(await shop.person("ADMIN"), "/", node=1)
        buyers = [Buyer(shop, who, product, http) for who in await shop.clients(BUYERS)]
        buying = [asyncio.create_task(buyer.run()) for buyer in buyers]
        await disturb(cluster, guest, buyers)
        for buyer in buyers:
            buyer.open = False
        await asyncio.gather(*buying)

        bought = Counter(order for buyer in buyers for order in buyer.bought)
        print(f"\n{len(bought)} orders, {sum(buyer.retries for buyer in buyers)} retries")
        assert set(bought.values()) == {1}, "a repeated request buys nothing again"
        now = await shop.request("GET", f"/products/{product['id']}", node=1, status={200})
        assert (product["stock"] - now["stock"], now["version"] - 1) == (len(bought), len(bought))
        for follower in (guest, stays):
            updated = await follower.expect_all("live:product:updated", len(bought), within=SETTLE)
            assert [event["data"]["version"] for event in updated] == list(range(2, len(bought) + 2))
            assert len(await follower.expect_all("order:purchase:notification", len(bought))) == len(bought)
        published = await admin.expect_all("order:new", len(bought), within=SETTLE)
        assert Counter(event["data"]["id"] for event in published) == bought
        assert cluster.tracebacks() == []


async def test_a_sale_with_postgresql_frozen_and_killed(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with open_faulty_cluster(2) as cluster, aiohttp.ClientSession() as http:
        shop = cluster.shop
        key = await shop.stream()
        product = await shop.product(key, stock=1_000_000)
        follower = await follow(shop, key, 1)
        buyers = [Buyer(shop, who, product, http) for who in await shop.clients(BUYERS)]
        buying = [asyncio.create_task(buyer.run()) for buyer in buyers]
        await more(buyers)
        await cluster.freeze(cluster.postgres.pid, 3.0)
        await more(buyers)
        await cluster.kill_server(cluster.postgres, 1.0)
        await more(buyers)
        for buyer in buyers:
            buyer.open = False
        await asyncio.gather(*buying)
        bought = Counter(order for buyer in buyers for order in buyer.bought)
        print(f"\n{len(bought)} orders, {sum(buyer.retries for buyer in buyers)} retries")
        assert set(bought.values()) == {1}
        updated = await follower.expect_all("live:product:updated", len(bought), within=SETTLE)
        assert [event["data"]["version"] for event in updated] == list(range(2, len(bought) + 2))
        now = await shop.request("GET", f"/products/{product['id']}", status={200})
        listed = await shop.request("GET", f"/products?streamKey={key}", node=1, status={200})
        stored = [(each["stock"], each["version"]) for each in (now, listed["items"][0])]
        assert stored == [(product["stock"] - len(bought), len(bought) + 1)] * 2
        assert cluster.tracebacks() == []


async def test_a_committed_but_unpublished_sale_is_broadcast_later(
    open_faulty_cluster: OpenFaultyCluster,
) -> None:
    async with open_faulty_cluster(2) as cluster:
        shop = cluster.shop
        key = await shop.stream()
        product = await shop.product(key, stock=1)
        stays, ann = await follow(shop, key, 1), await shop.person()
        admin = await shop.connect(await shop.person("ADMIN"), "/", node=1)
        database = await asyncpg.connect(cluster.postgres.url)

        async def counts(statement: str) -> None:
            async with time_limit(SETTLE):
                while not await database.fetchval(statement):  # noqa: ASYNC110  PostgreSQL tells nobody
                    await asyncio.sleep(0.01)

        try:
            # The order waits for its last lock while Redis dies; then it commits, and nobody can be told.
            async with database.transaction():
                await database.execute("SELECT FROM rooms WHERE name = $1 FOR UPDATE", room_log_name(admins_room()))
                buying = asyncio.create_task(shop.buy(ann, product, key="k"))
                await counts("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
                cluster.redis.kill()
            await counts("SELECT count(*) FROM orders")
            await cluster.nodes[0].kill()
            await asyncio.gather(buying, return_exceptions=True)
        finally:
            await database.close()

        assert (await stays.expect("live:product:soldout", within=SETTLE))["data"]["version"] == 2
        assert len(stays.take("live:product:updated", version=2)) == 1
        published = await admin.expect("order:new", userId=ann.id, within=SETTLE)
        await asyncio.to_thread(cluster.redis.start)
        await cluster.nodes[0].start()
        await ready(cluster)
        assert await shop.buy(ann, product, key="k", node=1) == published["data"]
