"""Readiness of nodes and what requests get, second by second. Used by the tests of outages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, NamedTuple

import aiohttp

from tests.cluster.shop import Person, Shop
from tests.timing import allowed, until


class Said(NamedTuple):
    """What a node said of itself."""

    code: int
    status: str
    redis: str


class Order(NamedTuple):
    """What somebody got who ordered something."""

    begun: float
    ended: float
    code: int


WELL = Said(200, "ok", "up")


class Watch:
    """Asks each node all the time whether it is ready, and orders something there."""

    def __init__(self, shop: Shop, buyer: Person, product: dict[str, Any]) -> None:
        self.said: list[list[tuple[float, Said]]] = [[] for _ in shop.nodes]
        self.orders: list[list[Order]] = [[] for _ in shop.nodes]
        self._body = {"items": [{"productId": product["id"], "quantity": 1}]}
        self._headers = {"Authorization": f"Bearer {buyer.token}"}

    async def ask(self, http: aiohttp.ClientSession, url: str, node: int) -> None:
        """Ask one node whether it is ready, ten times a second."""
        while True:
            moment = monotonic()
            async with http.get(f"{url}/api/v1/health/ready") as answer:
                body = await answer.json()
            said = Said(answer.status, body["status"], body["info"]["redis"]["status"])
            self.said[node].append((moment, said))
            await asyncio.sleep(0.1)

    async def order(self, http: aiohttp.ClientSession, url: str, node: int) -> None:
        """Order something at one node, again and again."""
        while True:
            begun = monotonic()
            async with http.post(f"{url}/api/v1/orders", json=self._body, headers=self._headers) as answer:
                await answer.read()
            self.orders[node].append(Order(begun, monotonic(), answer.status))
            await asyncio.sleep(0.1)

    def latest(self, node: int) -> Said:
        """Return the last answer of a node."""
        return self.said[node][-1][1]

    def between(self, begin: float, end: float) -> set[Said]:
        """Return the answers of nodes within a period."""
        return {said for node in self.said for moment, said in node if begin <= moment < end}

    def ordered(self, begin: float, end: float) -> set[int]:
        """Return the outcomes of orders within a period."""
        return {order.code for node in self.orders for order in node if begin <= order.begun and order.ended < end}

    async def all_well(self) -> float:
        """Wait until all nodes are ready and take orders; how many s it took."""
        begun = monotonic()

        def well() -> bool:
            return all(
                said and said[-1][0] > begun and said[-1][1] == WELL and orders and orders[-1][0] > begun
                for said, orders in zip(self.said, self.orders, strict=True)
            )

        await until(well, within=15, what="all are well")
        return monotonic() - begun


@asynccontextmanager
async def watched(shop: Shop) -> AsyncIterator[Watch]:
    """Watch all nodes, which must be well in the beginning."""
    buyer, product = await shop.person(), await shop.product(await shop.stream(), stock=1_000_000)
    watch = Watch(shop, buyer, product)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=allowed(10))) as http:
        tasks = [
            asyncio.create_task(watching(http, url, node))
            for node, url in enumerate(shop.urls)
            for watching in (watch.ask, watch.order)
        ]
        try:
            await watch.all_well()
            yield watch
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(ended, asyncio.CancelledError), ended
