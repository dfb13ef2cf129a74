"""Random orders, cancellations, payments and changes of what is sold, on two nodes: what must be true after all."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from itertools import dropwhile, pairwise
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import GatewayError
from gateway.keys import Room, products_room
from gateway.protocol.payloads.catalog import ChangeProducts
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal, Role
from models.main.order import Order, OrderItem
from models.main.product import Product as StoredProduct
from models.main.stream import Stream
from tests.integration.commerce_nodes import ADMIN, ADMINS, KEY, CommerceNodes, open_commerce_nodes

if TYPE_CHECKING:
    from gateway.protocol.payloads.catalog import Product

SEEDS = (1, 2)
WORKERS = 16
ACTIONS = 20  # of each worker
ACTS = ("_order", "_cancel", "_pay", "_supply", "_reprice", "_feature", "_withdraw")
ROOMS = (products_room(KEY), products_room("other"), ADMINS)


class Storm:
    """People who do whatever comes to their minds."""

    def __init__(self, commerce: CommerceNodes, seed: int) -> None:
        self.commerce = commerce
        self.outcomes: Counter[str] = Counter()
        self.stock: Counter[str] = Counter()  # that was there at the beginning or came by changes, by product
        self.admin: Principal
        self._rng = random.Random(seed)
        self._people: list[Principal] = []
        self.products: list[Product] = []
        self._placed: list[str] = []
        self._acts = {
            self._order: 12,
            self._cancel: 6,
            self._pay: 2,
            self._supply: 4,
            self._reprice: 3,
            self._feature: 3,
            self._withdraw: 1,
        }

    async def prepare(self) -> None:
        """Return a few people, a few products of two streams."""
        self.admin = await self.commerce.person(Role.ADMIN)
        self._people = [await self.commerce.person() for _ in range(6)]
        await self.commerce.stream("other", self.admin)
        for key in (KEY, KEY, KEY, "other", "other"):
            self.products.append(await self.commerce.product(key, stock=self._rng.randint(5, 40)))
        self.stock.update({product.id: product.stock for product in self.products})
        self.commerce.received.events = []

    async def rage(self) -> None:
        """All of them at once."""
        await asyncio.gather(*(self._work() for _ in range(WORKERS)))

    async def _work(self) -> None:
        for _ in range(ACTIONS):
            [act] = self._rng.choices(list(self._acts), list(self._acts.values()))
            try:
                await act()
                self.outcomes[act.__name__] += 1
            except GatewayError as error:
                self.outcomes[error.code] += 1

    async def _order(self) -> None:
        wanted = [
            (product, self._rng.randint(1, 4)) for product in self._rng.sample(self.products, self._rng.randint(1, 4))
        ]
        key = self._rng.choice([None, f"key-{self._rng.randint(1, 30)}"])
        order = await self.commerce.buy(self._rng.choice(self._people), *wanted, key=key, node=self._node())
        self._placed.append(order.id)

    async def _cancel(self) -> None:
        if self._placed:
            await self.commerce.nodes[self._node()].orders.cancel(self.admin, self._rng.choice(self._placed))

    async def _pay(self) -> None:
        if self._placed:
            await self.commerce.nodes[self._node()].orders.pay(self.admin, self._rng.choice(self._placed))

    async def _supply(self) -> None:
        product, change = self._rng.choice(self.products), self._rng.randint(-5, 5)
        await self.commerce.stock(product, self._node(), change=change)
        self.stock[product.id] += change

    async def _reprice(self) -> None:
        some = self._rng.sample(self.products, 2)
        price = self._rng.randint(1, 1000)
        changes = ChangeProducts.model_validate({"items": [{"id": product.id, "price": price} for product in some]})
        await self.commerce.nodes[self._node()].catalog.change_many(ADMIN, changes)

    async def _feature(self) -> None:
        featured, product = self.commerce.nodes[self._node()].featured, self._rng.choice(self.products)
        if self._rng.random() < 0.2:
            await featured.remove(self.admin, product.stream_key)
        else:
            await featured.put(self.admin, product.stream_key, product.id)

    async def _withdraw(self) -> None:
        await self.commerce.nodes[self._node()].catalog.delete(ADMIN, self.products[-1].id)

    def _node(self) -> int:
        return self._rng.randint(0, 1)


@pytest.fixture(params=SEEDS)
async def storm(database_url: str, redis: RedisClient, request: pytest.FixtureRequest) -> AsyncIterator[Storm]:
    """After it is over."""
    async with open_commerce_nodes(database_url, redis) as commerce:
        storm = Storm(commerce, request.param)
        await storm.prepare()
        await storm.rage()
        yield storm


async def test_stock_plus_sold_is_constant(storm: Storm) -> None:
    assert not storm.outcomes["SERVICE_UNAVAILABLE"], "nobody waits for nobody for ever"
    for name in (*ACTS, "INSUFFICIENT_STOCK", "CONFLICT", "NOT_FOUND"):
        assert storm.outcomes[name] > 0, storm.outcomes
    sold: Counter[str] = Counter()
    for item in await OrderItem.filter(order__status__in=["PENDING", "PAID"]):
        sold[str(item.product_id)] += item.quantity
    for product in await StoredProduct.all():
        assert product.stock >= 0
        assert product.stock + sold[str(product.id)] == storm.stock[str(product.id)]
    for order in await Order.all().prefetch_related("items"):
        assert order.total == sum(item.price * item.quantity for item in order.items)
    names = [(order.user_id, order.idempotency_key) for order in await Order.exclude(idempotency_key=None)]
    assert len(names) == len(set(names))


async def test_versions_and_sold_out_are_published_once(storm: Storm) -> None:
    received = [(event, payload) for _, event, payload in storm.commerce.received.events]
    updated = [payload["data"] for event, payload in received if event == "live:product:updated"]
    soldout = [payload["data"] for event, payload in received if event == "live:product:soldout"]
    for product in await StoredProduct.all():
        states = {state["version"]: state["stock"] for state in updated if state["id"] == str(product.id)}
        versions = sorted(state["version"] for state in updated if state["id"] == str(product.id))
        assert versions == list(range(2, product.version + 1))
        assert min(states.values()) >= 0
        assert states[product.version] == product.stock
        gone = [version for version in versions[1:] if states[version] == 0 < states[version - 1]]
        published = sorted(each["version"] for each in soldout if each["productId"] == str(product.id))
        assert published == gone


async def test_published_events_are_in_the_logs(storm: Storm) -> None:
    orders = [payload["data"]["id"] for _, event, payload in storm.commerce.received.events if event == "order:new"]
    assert sorted(orders) == sorted(str(order.id) for order in await Order.all())
    for room in ROOMS:
        logged = await storm.commerce.logged(room)
        assert [seq for seq, _ in logged] == list(range(1, len(logged) + 1))
        assert _kinds(storm, room) == Counter(event for _, event in logged if event != "live:product:added")


async def test_a_deleted_product_is_neither_sold_nor_shown(storm: Storm) -> None:
    withdrawn = storm.products[-1].id
    for key in (KEY, "other"):
        logged = await storm.commerce.nodes[0].log.after(products_room(key), 0, 100_000)
        published = [(event.event, json.loads(event.payload or "")) for event in logged]
        shown = [payload["productId"] for event, payload in published if event == "stream:featured-product:updated"]
        assert all(before != after for before, after in pairwise([None, *shown])), "only what changes is told"
        stream = await Stream.get(key=key)
        assert shown[-1:] == [str(stream.featured_product_id) if stream.featured_product_id else None]
        after = list(dropwhile(lambda each: each[0] != "live:product:deleted", published))
        gone = [payload["data"]["productId"] for _, payload in after[:1]]
        assert gone == ([withdrawn] if key == "other" else [])
        assert not any(payload.get("data", {}).get("id") == withdrawn for _, payload in after)
        assert not any(payload.get("productId") == withdrawn for _, payload in after)


def _kinds(storm: Storm, room: Room) -> Counter[Any]:
    return Counter(event for where, event, _ in storm.commerce.received.events if where == room)
