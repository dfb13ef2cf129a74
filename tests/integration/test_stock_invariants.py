"""Random orders, cancellations, payments and changes of stock at once, on two nodes: what must be true after all."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from gateway.connections.redis import Redis
from gateway.errors import GatewayError
from gateway.keys import Room, products_room
from gateway.security.principal import Principal, Role
from models.order import Order, OrderItem
from models.product import Product as StoredProduct
from tests.integration.market import ADMINS, KEY, Market, open_market

if TYPE_CHECKING:
    from gateway.protocol.catalog import Product

SEEDS = (1, 2)
WORKERS = 16
ACTIONS = 20  # of each worker
ROOMS = (products_room(KEY), products_room("other"), ADMINS)


class Storm:
    """People who do whatever comes to their minds."""

    def __init__(self, market: Market, seed: int) -> None:
        self.market = market
        self.outcomes: Counter[str] = Counter()
        self.stock: Counter[str] = Counter()  # that was there at the beginning or came by changes, by product
        self.admin: Principal
        self._rng = random.Random(seed)
        self._people: list[Principal] = []
        self._products: list[Product] = []
        self._placed: list[str] = []

    async def prepare(self) -> None:
        """A few people, a few products of two streams."""
        self.admin = await self.market.person(Role.ADMIN)
        self._people = [await self.market.person() for _ in range(6)]
        await self.market.stream("other", self.admin)
        for key in (KEY, KEY, KEY, "other", "other"):
            self._products.append(await self.market.product(key, stock=self._rng.randint(5, 40)))
        self.stock.update({product.id: product.stock for product in self._products})
        self.market.heard.events = []

    async def rage(self) -> None:
        """All of them at once."""
        await asyncio.gather(*(self._work() for _ in range(WORKERS)))

    async def _work(self) -> None:
        for _ in range(ACTIONS):
            [act] = self._rng.choices([self._order, self._cancel, self._pay, self._supply], [6, 3, 1, 2])
            try:
                await act()
                self.outcomes[act.__name__] += 1
            except GatewayError as error:
                self.outcomes[error.code] += 1

    async def _order(self) -> None:
        wanted = [
            (product, self._rng.randint(1, 4)) for product in self._rng.sample(self._products, self._rng.randint(1, 4))
        ]
        key = self._rng.choice([None, f"key-{self._rng.randint(1, 30)}"])
        order = await self.market.buy(self._rng.choice(self._people), *wanted, key=key, node=self._node())
        self._placed.append(order.id)

    async def _cancel(self) -> None:
        if self._placed:
            await self.market.nodes[self._node()].orders.cancel(self.admin, self._rng.choice(self._placed))

    async def _pay(self) -> None:
        if self._placed:
            await self.market.nodes[self._node()].orders.pay(self.admin, self._rng.choice(self._placed))

    async def _supply(self) -> None:
        product, change = self._rng.choice(self._products), self._rng.randint(-5, 5)
        await self.market.stock(product, self._node(), change=change)
        self.stock[product.id] += change

    def _node(self) -> int:
        return self._rng.randint(0, 1)


@pytest.fixture(params=SEEDS)
async def storm(database_url: str, redis: Redis, request: pytest.FixtureRequest) -> AsyncIterator[Storm]:
    """After it is over."""
    async with open_market(database_url, redis) as market:
        storm = Storm(market, request.param)
        await storm.prepare()
        await storm.rage()
        yield storm


async def test_stock_and_sold_make_what_there_was(storm: Storm) -> None:
    assert not storm.outcomes["SERVICE_UNAVAILABLE"], "nobody waits for nobody for ever"
    for name in ("_order", "_cancel", "_pay", "_supply", "INSUFFICIENT_STOCK", "CONFLICT"):
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


async def test_every_version_is_told_once_and_sold_out_by_who_took_the_last(storm: Storm) -> None:
    heard = [(event, payload) for _, event, payload in storm.market.heard.events]
    updated = [payload["data"] for event, payload in heard if event == "live:product:updated"]
    soldout = [payload["data"] for event, payload in heard if event == "live:product:soldout"]
    for product in await StoredProduct.all():
        states = {state["version"]: state["stock"] for state in updated if state["id"] == str(product.id)}
        versions = sorted(state["version"] for state in updated if state["id"] == str(product.id))
        assert versions == list(range(2, product.version + 1))
        assert min(states.values()) >= 0
        assert states[product.version] == product.stock
        gone = [version for version in versions[1:] if states[version] == 0 < states[version - 1]]
        told = sorted(each["version"] for each in soldout if each["productId"] == str(product.id))
        assert told == gone


async def test_what_was_told_is_what_is_in_the_logs(storm: Storm) -> None:
    orders = [payload["data"]["id"] for _, event, payload in storm.market.heard.events if event == "order:new"]
    assert sorted(orders) == sorted(str(order.id) for order in await Order.all())
    for room in ROOMS:
        logged = await storm.market.logged(room)
        assert [seq for seq, _ in logged] == list(range(1, len(logged) + 1))
        assert _kinds(storm, room) == Counter(event for _, event in logged if event != "live:product:added")


def _kinds(storm: Storm, room: Room) -> Counter[Any]:
    return Counter(event for where, event, _ in storm.market.heard.events if where == room)
