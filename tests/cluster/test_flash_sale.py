"""A flash sale: two thousand people on two nodes want the same hundred things at the same moment."""

import asyncio
import time
from collections import Counter
from typing import Any

import aiohttp

from tests.client.client import Client
from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.shop import Person

ORDERS = 2_000
STOCK = 100


async def buy(http: aiohttp.ClientSession, url: str, who: Person, product: dict[str, Any]) -> tuple[int, str, float]:
    """One order; its status, its error code if any, and how many s it took."""
    begun = time.perf_counter()
    body = {"items": [{"productId": product["id"], "quantity": 1}]}
    headers = {"Authorization": f"Bearer {who.token}", "Idempotency-Key": who.id}
    async with http.post(f"{url}/api/v1/orders", json=body, headers=headers) as response:
        answer = await response.json()
        return response.status, answer.get("errorCode", ""), time.perf_counter() - begun


async def test_two_thousand_orders_sell_exactly_a_hundred_items(
    open_faulty_cluster: OpenFaultyCluster, client: Client
) -> None:
    async with open_faulty_cluster(2) as cluster:
        shop = cluster.shop
        key = await shop.stream()
        product = await shop.product(key, stock=STOCK)
        followers = [await shop.connect(await shop.person(), "/", node=node) for node in (0, 1)]
        for follower in followers:
            await follower.call("join:stream", {"streamId": key})
        people = await shop.clients(ORDERS)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            begun = time.perf_counter()
            answers = await asyncio.gather(
                *(buy(http, shop.urls[number % 2], who, product) for number, who in enumerate(people))
            )
            took = time.perf_counter() - begun
        waits = sorted(seconds for *_, seconds in answers)
        print(
            f"\n{ORDERS} orders in {took:.2f} s: {ORDERS / took:.0f}/s, "
            f"median {waits[ORDERS // 2]:.2f} s, 99 % {waits[ORDERS * 99 // 100]:.2f} s"
        )
        outcomes = Counter((status, code) for status, code, _ in answers)
        assert outcomes == {(201, ""): STOCK, (409, "INSUFFICIENT_STOCK"): ORDERS - STOCK}

        now = await shop.request("GET", f"/products/{product['id']}", status={200})
        assert (now["stock"], now["version"]) == (0, STOCK + 1)
        await shop.product(key)  # after everything else
        for follower in followers:
            await follower.expect("live:product:added")
            versions = [event["data"]["version"] for event in follower.take("live:product:updated")]
            assert versions == list(range(2, STOCK + 2))
            assert len(follower.take("live:product:soldout")) == 1
            assert len(follower.take("order:purchase:notification")) == STOCK
            left = [event["data"]["remainingStock"] for event in follower.take("product:low-stock")]
            assert left == [4, 3, 2, 1]
        assert [shop.complaints(node) for node in (0, 1)] == [[], []]
