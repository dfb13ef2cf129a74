"""A shop on a real PostgreSQL for the tests of commerce: two nodes' services, people, and the events of the rooms."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from gateway.keys import Room, admins_room, products_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.catalog import (
    ChangeProduct,
    ChangeProducts,
    ChangeStock,
    CreateProduct,
    Product,
)
from gateway.protocol.payloads.orders import Order, PlaceOrder
from gateway.protocol.payloads.streaming import CreateStream
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal, Role
from gateway.services.analytics.facts import NO_FACTS, Facts
from gateway.services.audit.audit_log import AuditLog
from gateway.services.commerce.catalog import Catalog
from gateway.services.commerce.featured import Featured
from gateway.services.commerce.order_book import Terms
from gateway.services.commerce.order_list import OrderList
from gateway.services.commerce.order_writer import OrderWriter
from gateway.services.commerce.orders import Orders
from gateway.services.commerce.product_cache import ProductCache
from gateway.services.commerce.product_list import ProductList, ProductPageCache
from gateway.services.commerce.products import ProductViews
from gateway.services.commerce.storefront import ShelfCache, Storefront
from gateway.services.rooms.log import RoomLog
from gateway.services.rooms.outbox import Outbox
from models.main.user import User
from tests.doubles import Recorder, principal
from tests.integration.services import add_account, make_stream_lists, make_streams
from tests.support import make_settings

KEY = "demo"
ADMIN = principal(Role.ADMIN)
VIEWS = ProductViews("USD")
TERMS = Terms(VIEWS, timedelta(minutes=15), "en")


class Node:
    """What one node sells with."""

    def __init__(
        self, database: Database, redis: RedisClient, received: Recorder, metrics: Metrics, facts: Facts = NO_FACTS
    ) -> None:
        self.redis = redis
        self.log = RoomLog(database)
        outbox = Outbox(database, self.log, received)
        product_cache = ProductCache(redis, metrics)
        outbox.on_published(product_cache.update)
        self.catalog = Catalog(database, outbox, VIEWS, AuditLog(database))
        self.product_list = ProductList(database, ProductPageCache(metrics, self.log), product_cache, VIEWS)
        self.featured = Featured(outbox, VIEWS)
        writer = OrderWriter(database, outbox, metrics, TERMS, facts)
        self.orders = Orders(database, outbox, writer, received, metrics, VIEWS, AuditLog(database), facts)
        self.order_list = OrderList(database)


class CommerceNodes:
    """One stream, sold by two nodes that share a database and a recorder of broadcasts."""

    def __init__(self, database: Database, redis: RedisClient, metrics: Metrics) -> None:
        self.received = Recorder()
        self.database = database
        self.metrics = metrics
        self.nodes = [Node(database, redis, self.received, metrics) for _ in range(2)]
        self.catalog, self.orders, self.featured = self.nodes[0].catalog, self.nodes[0].orders, self.nodes[0].featured
        self.order_list, self.product_list = self.nodes[0].order_list, self.nodes[0].product_list
        self.streams = make_streams(database, redis, self.received)
        self.stream_lists = make_stream_lists(database, redis, self.received)
        log = self.nodes[0].log
        shelves = ShelfCache(metrics, log)
        self.storefront = Storefront(database, log, self.streams, shelves, VIEWS)

    async def person(self, role: Role = Role.USER) -> Principal:
        """Somebody with an account."""
        user = await User.create(
            email=f"{uuid4()}@example.com", username="somebody", password_hash="-", role=role.value
        )
        return principal(role, str(user.id))

    async def stream(self, key: str, host: Principal, *, sells: bool = True) -> None:
        """Create a stream of somebody, which accepts orders even if it is not live."""
        body = {"title": "A", "key": key, "ordersWhenNotLive": sells}
        await self.streams.create(host, CreateStream.model_validate(body))

    async def product(self, key: str = KEY, **fields: Any) -> Product:
        """Return a fresh product."""
        body = {"streamKey": key, "name": "Cup", "price": 10, "stock": 100}
        return await self.catalog.create(ADMIN, CreateProduct.model_validate(body | fields))

    async def change(self, product: Product, **fields: Any) -> Product:
        """Change fields of a product."""
        return await self.catalog.change(ADMIN, product.id, ChangeProduct.model_validate(fields))

    async def change_many(self, *items: dict[str, Any]) -> list[Product]:
        """Change some products together."""
        return (await self.catalog.change_many(ADMIN, ChangeProducts.model_validate({"items": list(items)}))).items

    async def stock(self, product: Product, node: int = 0, **fields: Any) -> Product:
        """Change the stock of a product."""
        return await self.nodes[node].catalog.change_stock(ADMIN, product.id, ChangeStock.model_validate(fields))

    async def buy(
        self, who: Principal, *items: Product | tuple[Product, int], key: str | None = None, node: int = 0
    ) -> Order:
        """Order so many of some products, or one of each."""
        lines = [(item, 1) if isinstance(item, Product) else item for item in items]
        asked = [{"productId": product.id, "quantity": quantity} for product, quantity in lines]
        return await self.nodes[node].orders.place(who, PlaceOrder.model_validate({"items": asked}), key)

    async def now(self, product: Product) -> tuple[int, int]:
        """Stock and version of a product."""
        stored = await self.product_list.get(product.id)
        return stored.stock, stored.version

    def published(self, room: Room | None = None) -> list[tuple[str, Any]]:
        """Return the events of a room, by default that of the products, since the last call."""
        events = self.received.events
        published = [(event, payload) for where, event, payload in events if where == (room or products_room(KEY))]
        self.received.events = []
        return published

    def counted(self, outcome: str) -> float:
        """How many orders ended so."""
        return float(self.metrics.orders.labels(outcome)._value.get())

    async def logged(self, room: Room) -> list[tuple[int, str]]:
        """Return the log of a room: places and events."""
        return [(event.seq, event.event) for event in await self.nodes[0].log.after(room, 0, 100_000)]


@asynccontextmanager
async def open_commerce_nodes(database_url: str, redis: RedisClient, **overrides: Any) -> AsyncIterator[CommerceNodes]:
    """Open for business, with one stream and no product."""
    metrics = Metrics()
    database = Database(make_settings(database_url=database_url, **overrides), metrics)
    await database.open()
    commerce = CommerceNodes(database, redis, metrics)
    await add_account(ADMIN)
    await commerce.stream(KEY, await commerce.person(Role.ADMIN))
    commerce.received.events.clear()
    try:
        yield commerce
    finally:
        for node in commerce.nodes:
            await node.orders.close()
        await database.close()


def total(order: Order) -> Decimal:
    """Return the price of an order from its items."""
    return sum((item.price * item.quantity for item in order.items), Decimal(0))


ADMINS = admins_room()
