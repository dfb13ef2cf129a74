"""The catalog, the storefront, the streams and the viewers on a real PostgreSQL: changes, news, pages, counts."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.errors import Code, Conflict, Forbidden, GatewayError, InvalidPayload, NotFound
from gateway.keys import everyone_room, products_room, viewers_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.catalog import ChangeProduct, ChangeStock, CreateProduct, Product, StreamJoined
from gateway.protocol.payloads.streaming import CreateStream, StreamView
from gateway.protocol.queries import ProductQuery, StreamQuery
from gateway.protocol.wire import Cursor, Since
from gateway.realtime.presence.presence import LocalPresence
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal, Role
from gateway.services.audit.audit_log import AuditLog
from gateway.services.commerce.catalog import Catalog
from gateway.services.commerce.product_cache import ProductCache
from gateway.services.commerce.product_list import ProductList, ProductPageCache
from gateway.services.commerce.products import ProductViews
from gateway.services.commerce.storefront import ShelfCache, Storefront
from gateway.services.rooms.log import RoomLog
from gateway.services.rooms.outbox import Outbox
from gateway.services.streams.stream_lists import FIRST_PAGE
from gateway.services.streams.viewers import Viewers
from models.main.stream import Stream
from models.main.user import User
from tests.doubles import Recorder, principal
from tests.integration.services import add_account, make_stream_lists, make_streams
from tests.support import make_settings

KEY = "demo"
ADMIN = principal(Role.ADMIN)
VIEWS = ProductViews("USD")


class Shop:
    """One stream's products, changed by two nodes that share a database and a recorder of broadcasts."""

    def __init__(self, database: Database, redis: RedisClient) -> None:
        self.received = Recorder()
        self.presence = LocalPresence()
        self.log = RoomLog(database)
        self.streams = make_streams(database, redis, self.received)
        self.stream_lists = make_stream_lists(database, redis, self.received)
        product_cache = ProductCache(redis, Metrics())
        self.catalogs = [self.node(database, redis) for _ in range(2)]
        self.catalog = self.catalogs[0]
        self.product_list = ProductList(database, ProductPageCache(Metrics(), self.log), product_cache, VIEWS)
        shelves = ShelfCache(Metrics(), self.log)
        self.storefront = Storefront(database, self.log, self.streams, shelves, VIEWS)
        self.viewers = Viewers(database, self.log, self.presence, self.received, lambda _: [])
        self.admin = principal(Role.ADMIN)

    def node(self, database: Database, redis: RedisClient) -> Catalog:
        log, product_cache = RoomLog(database), ProductCache(redis, Metrics())
        outbox = Outbox(database, log, self.received)
        outbox.on_published(product_cache.update)
        return Catalog(database, outbox, VIEWS, AuditLog(database))

    async def person(self, role: Role) -> Principal:
        number = await User.all().count()
        user = await User.create(email=f"p{number}@example.com", username="p", password_hash="-", role=role.value)
        return principal(role, str(user.id))

    async def stream(self, who: Principal | None = None, **fields: Any) -> StreamView:
        return await self.streams.create(who or self.admin, CreateStream.model_validate({"title": "A"} | fields))

    async def product(self, **fields: Any) -> Product:
        body = {"streamKey": KEY, "name": "Cup", "price": 10, "stock": 100}
        return await self.catalog.create(ADMIN, CreateProduct.model_validate(body | fields))

    async def change(self, product: Product, **fields: Any) -> Product:
        return await self.catalog.change(ADMIN, product.id, ChangeProduct.model_validate(fields))

    async def stock(self, product: Product, node: int = 0, **fields: Any) -> Product:
        return await self.catalogs[node].change_stock(ADMIN, product.id, ChangeStock.model_validate(fields))

    async def join(self, since: Cursor | None = None) -> StreamJoined:
        before = None if since is None else Since.model_validate(since.model_dump())
        return await self.storefront.snapshot(KEY, before)

    def published(self) -> list[tuple[str, Any]]:
        """Return the events of the products' room since the last call."""
        published = [
            (event, payload["data"]) for room, event, payload in self.received.events if room == products_room(KEY)
        ]
        self.received.events.clear()
        return published


@pytest.fixture
async def shop(database_url: str, redis: RedisClient) -> AsyncIterator[Shop]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    shop = Shop(database, redis)
    await add_account(ADMIN)
    shop.admin = await shop.person(Role.ADMIN)
    await shop.stream(key=KEY)
    shop.received.events.clear()
    yield shop
    await database.close()


def dumped(product: Product) -> dict[str, Any]:
    return product.model_dump(mode="json")


# --- products -------------------------------------------------------------------------------------------------------


async def test_every_change_raises_the_version_and_is_published_as_stored(shop: Shop) -> None:
    cup = await shop.product(
        price="19.90",
        originalPrice=25,
        stock=9,
        images=["https://shop.example/a.png"],
        imageUrl="https://shop.example/b.png",
    )
    assert shop.published() == [("live:product:added", dumped(cup))]
    assert (cup.version, cup.status, dumped(cup)["price"]) == (1, "AVAILABLE", 19.9)
    changed = await shop.change(cup, price=4.5, originalPrice=None)
    assert (changed.version, dumped(changed)["price"], changed.original_price) == (2, 4.5, None)
    assert shop.published() == [("live:product:updated", dumped(changed))]
    assert await shop.change(changed, price="4.50") == changed, "nothing has changed"
    assert shop.published() == []
    assert dumped(await shop.product_list.get(cup.id)) == dumped(changed)
    await shop.catalog.delete(ADMIN, cup.id)
    assert shop.published() == [("live:product:deleted", {"productId": cup.id, "version": 3})]
    with pytest.raises(NotFound):
        await shop.product_list.get(cup.id)


async def test_immutable_fields_are_refused(shop: Shop) -> None:
    cup = await shop.product()
    with pytest.raises(InvalidPayload):
        await shop.change(cup, name=None)
    with pytest.raises(Conflict):
        await shop.change(cup, name="Mug", version=2)
    assert (await shop.change(cup, name="Mug", version=1)).name == "Mug"
    for wrong in ("0", "999", "x", "-1", "١", "9" * 30):
        with pytest.raises(NotFound):
            await shop.catalog.change(ADMIN, wrong, ChangeProduct.model_validate({"name": "x"}))
    with pytest.raises(NotFound):
        await shop.product(streamKey="nowhere")


async def test_concurrent_changes_of_different_fields_are_both_kept(shop: Shop) -> None:
    cup = await shop.product()
    await asyncio.gather(
        shop.change(cup, name="Mug"),
        shop.catalogs[1].change(ADMIN, cup.id, ChangeProduct.model_validate({"price": 3})),
        shop.stock(cup, change=-1),
    )
    now = await shop.product_list.get(cup.id)
    assert (now.name, float(now.price), now.stock, now.version) == ("Mug", 3.0, 99, 4)


async def test_stock_is_set_or_changed_but_never_negative(shop: Shop) -> None:
    cup = await shop.product(stock=6)
    shop.published()
    await shop.stock(cup, change=-1)
    assert [event for event, _ in shop.published()] == ["live:product:updated"]
    await shop.stock(cup, change=-1)
    low = {"productId": cup.id, "productName": "Cup", "remainingStock": 4}
    assert shop.published()[1:] == [("product:low-stock", low)]
    await shop.stock(cup, stock=50)
    assert [event for event, _ in shop.published()] == ["live:product:updated"]
    await shop.stock(cup, stock=3)
    assert [event for event, _ in shop.published()] == ["live:product:updated", "product:low-stock"]
    with pytest.raises(GatewayError) as refused:
        await shop.stock(cup, change=-4)
    assert refused.value.code == Code.INSUFFICIENT_STOCK
    for wrong in ({}, {"stock": 1, "change": 1}, {"change": 1_000_000_000}):
        with pytest.raises(InvalidPayload):
            await shop.stock(cup, **wrong)
    assert shop.published() == []
    gone = await shop.catalog.sell_out(ADMIN, cup.id)
    assert (gone.stock, gone.status) == (0, "SOLD_OUT")
    sold_out = {"productId": cup.id, "version": gone.version}
    assert shop.published() == [("live:product:updated", dumped(gone)), ("live:product:soldout", sold_out)]
    await shop.catalog.sell_out(ADMIN, cup.id)
    assert shop.published() == []
    await shop.change(gone, name="Mug")
    assert [event for event, _ in shop.published()] == ["live:product:updated"], "it was sold out before"


async def test_concurrent_sales_match_the_stock_and_sell_out_once(shop: Shop) -> None:
    cup = await shop.product(stock=30)
    shop.published()
    shop.received.delay = 0.002
    results = await asyncio.gather(*(shop.stock(cup, n % 2, change=-1) for n in range(50)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, GatewayError)]
    assert [error.code for error in refused] == [Code.INSUFFICIENT_STOCK] * 20
    now = await shop.product_list.get(cup.id)
    assert (now.stock, now.version) == (0, 31)
    published = shop.published()
    assert sorted(data["version"] for event, data in published if event == "live:product:updated") == list(range(2, 32))
    assert [data for event, data in published if event == "live:product:soldout"] == [
        {"productId": cup.id, "version": 31}
    ]


async def test_a_cursor_returns_missed_changes(shop: Shop) -> None:
    start = await shop.join()
    assert (start.products, start.cursor.seq, start.recovered) == ([], 0, False)
    cup, mug = await shop.product(sortOrder=2), await shop.product(sortOrder=1, stock=1)
    shop.received.events.clear()
    await shop.stock(mug, change=-1)
    published = shop.published()
    back = await shop.join(start.cursor)
    assert back.recovered
    assert back.events is not None
    assert [event.seq for event in back.events] == [1, 2, 3, 4]
    assert [(event.event, event.payload["data"]) for event in back.events][2:] == published
    assert [product.id for product in back.products] == [mug.id, cup.id]
    assert back.cursor.seq == 4


async def test_pages_of_products(shop: Shop) -> None:
    await shop.stream(key="other")
    ids = [(await shop.product(name=f"Cup {n}", stock=n % 2)).id for n in range(5)]
    apart = await shop.product(name="100% wool", description="a_b", streamKey="other")

    async def listed(**query: Any) -> list[str]:
        found, cursor = [], None
        while True:
            page = await shop.product_list.page(ProductQuery.model_validate({"limit": 2, "cursor": cursor} | query))
            assert len(page.items) <= 2
            found += [item.id for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return found

    assert await listed() == [apart.id, *reversed(ids)]
    assert await listed(streamKey=KEY) == ids[::-1]
    assert await listed(status="SOLD_OUT") == [ids[4], ids[2], ids[0]]
    assert await listed(status="AVAILABLE", streamKey=KEY) == [ids[3], ids[1]]
    assert await listed(search="cup") == ids[::-1]
    assert await listed(search="0% W") == await listed(search="A_B") == [apart.id]
    assert await listed(search="%") == [apart.id]
    assert await listed(streamKey="nowhere") == []
    with pytest.raises(InvalidPayload):
        await shop.product_list.page(ProductQuery.model_validate({"cursor": "WzEyMDg5MjU4MTk2MTQ2MjkxNzQ3MDYxNzZd"}))


# --- streams --------------------------------------------------------------------------------------------------------


async def test_start_and_end_of_a_stream_are_published(shop: Shop) -> None:
    host = await shop.person(Role.HOST)
    stream = await shop.stream(host, scheduledAt="2100-12-01T10:00:00+09:00")
    assert (stream.status, stream.host_id) == ("SCHEDULED", host.user_id)
    [(room, event, upcoming)] = shop.received.events
    assert (room, event) == (everyone_room(), "upcoming:updated")
    assert [item["key"] for item in upcoming["streams"]] == [stream.key, KEY]
    with pytest.raises(Conflict):
        await shop.streams.stop(host, stream.key)

    shop.received.events.clear()
    started = await asyncio.gather(*(shop.streams.start(host, stream.key) for _ in range(3)))
    assert {view.status for view in started} == {"LIVE"}
    assert [item.key for item in (await shop.stream_lists.active(FIRST_PAGE)).streams] == [stream.key]
    assert [item.key for item in (await shop.stream_lists.upcoming(FIRST_PAGE)).streams] == [KEY]
    assert [event for _, event, _ in shop.received.events] == ["stream:started", "upcoming:updated"]
    ended = await asyncio.gather(*(shop.streams.stop(shop.admin, stream.key) for _ in range(3)))
    assert {view.status for view in ended} == {"ENDED"}
    room, event, payload = shop.received.events[-1]
    assert (room, event, payload["streamKey"]) == (viewers_room(stream.key), "stream:ended", stream.key)
    assert len(shop.received.events) == 3
    kept = await shop.log.after(viewers_room(stream.key), 0, 10)
    assert [(event.seq, event.event) for event in kept] == [(1, "stream:started"), (2, "stream:ended")]
    assert [(event.event, json.loads(event.payload or "")) for event in kept] == [
        sent for sent in shop.received.sent if sent[0] in ("stream:started", "stream:ended")
    ], "the log says what those who were there were sent"
    assert (await shop.stream_lists.get(stream.key)).model_dump_json() == ended[0].model_dump_json()


async def test_a_stream_belongs_to_its_host(shop: Shop) -> None:
    with pytest.raises(Forbidden):
        await shop.streams.start(await shop.person(Role.HOST), KEY)
    with pytest.raises(Conflict):
        await shop.stream(key=KEY)
    for call in (
        shop.stream_lists.get("nowhere"),
        shop.streams.require("nowhere"),
        shop.streams.start(shop.admin, "x"),
    ):
        with pytest.raises(NotFound):
            await call


async def test_pages_of_streams(shop: Shop) -> None:
    keys = [KEY, *[(await shop.stream()).key for _ in range(4)]]
    await shop.streams.start(shop.admin, keys[2])
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = await shop.stream_lists.page(StreamQuery.model_validate(query))
        found += [item.key for item in page.items]
        if page.next_cursor is None:
            break
        query["cursor"] = page.next_cursor
    assert found == keys[::-1]
    live = await shop.stream_lists.page(StreamQuery.model_validate({"status": "LIVE"}))
    assert [item.key for item in live.items] == [keys[2]]


# --- viewers --------------------------------------------------------------------------------------------------------


async def test_viewers_are_distinct_and_the_peak_is_stored(shop: Shop) -> None:
    people, room = ["ann", "bob", "cid"], viewers_room(KEY)
    with pytest.raises(NotFound):
        await shop.viewers.check_join("nowhere")
    counts = [(await shop.viewers.enter(room, who)).count for who in (*people, people[0])]
    assert counts == [1, 2, 3, 3]
    left = [(await shop.viewers.leave(room, who)).count for who in (people[0], people[0], people[1])]
    assert left == [3, 2, 1]
    joined = await shop.viewers.snapshot(KEY, None, await shop.viewers.census(room))
    assert (joined.viewer_count, joined.peak_viewers, joined.live) == (1, 3, False)
    await shop.viewers.close()
    updates = [payload["data"]["viewerCount"] for payload in shop.received.named("stream:viewer:update")]
    assert updates[-1] == 1
    assert len(updates) <= 2, "the first viewer at once, the rest together"
    assert (await Stream.get(key=KEY)).peak_viewers == 3
    assert (await shop.viewers.census(room)).count == 1
