"""The wire contract of `/`: changes of products over HTTP on one node reach both, and the members of the rooms."""

import asyncio
from typing import Any

import pytest

from tests.client.client import TRANSPORTS, Transport
from tests.client.socket import ClientSocket
from tests.cluster.shop import Shop
from tests.cluster.stamps import unstamped

by_transport = pytest.mark.parametrize("transport", TRANSPORTS)

PRODUCT_FIELDS = {
    "id", "streamKey", "name", "description", "price", "originalPrice", "discountRate", "stock", "status", "imageUrl",
    "currency", "dealEndsAt",
    "images", "sortOrder", "isNew", "version", "createdAt", "updatedAt",
}  # fmt: skip


async def followers(shop: Shop, key: str, transport: Transport = "websocket") -> list[ClientSocket]:
    """Somebody on each node who follows the products of a stream."""
    sockets = [await shop.connect(await shop.person(), "/", node=node, transport=transport) for node in (0, 1)]
    for socket in sockets:
        await socket.call("join:stream", {"streamId": key})
    return sockets


async def received(sockets: list[ClientSocket], event: str, **data: Any) -> dict[str, Any]:
    """Return the same event on every socket; its `data`."""
    published = [await socket.expect(event, **data) for socket in sockets]
    assert all(payload == published[0] for payload in published)
    assert set(unstamped(published[0], published[0]["room"])) == {"type", "data"}
    assert published[0]["type"] == event
    inner: dict[str, Any] = published[0]["data"]
    return inner


@by_transport
async def test_a_join_is_answered_with_the_products(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    product = await shop.product(key, name="Cup", price="19.90", stock=7)
    socket = await shop.connect(await shop.person(), "/", transport=transport)
    room = await socket.call("join:stream", {"streamId": key})
    assert set(room) == {"room", "products", "featured", "cursor", "recovered"}
    assert (room["room"], room["featured"], room["recovered"]) == (f"stream:{key}", None, False)
    assert room["products"] == [product]
    assert set(product) == PRODUCT_FIELDS
    assert (product["price"], product["stock"], product["status"]) == (19.9, 7, "AVAILABLE")


@by_transport
async def test_all_product_changes_are_broadcast_on_both_nodes(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    sockets = await followers(shop, key, transport)
    product = await shop.product(key, name="Cup", price=5, stock=9)
    assert await received(sockets, "live:product:added") == product

    changed = await shop.change(product, price="4.50", node=1)
    assert (changed["price"], changed["version"]) == (4.5, product["version"] + 1)
    assert await received(sockets, "live:product:updated") == changed

    for stock in (5, 4):
        await shop.change(product, stock=stock)
        assert (await received(sockets, "live:product:updated"))["stock"] == stock
    low = await received(sockets, "product:low-stock")
    assert low == {"productId": product["id"], "productName": "Cup", "remainingStock": 4}, "below five"

    gone = await shop.change(product, stock=0)
    assert gone["status"] == "SOLD_OUT"
    soldout = await received(sockets, "live:product:soldout")
    assert soldout == {"productId": product["id"], "version": gone["version"]}

    back = await shop.change(product, stock=50)
    assert (await received(sockets, "live:product:updated", version=back["version"]))["status"] == "AVAILABLE"

    await shop.delete(product)
    assert await received(sockets, "live:product:deleted") == {
        "productId": product["id"],
        "version": back["version"] + 1,
    }
    assert (await sockets[0].call("join:stream", {"streamId": key}))["products"] == []


async def test_sold_out_is_announced_once_under_concurrency(shop: Shop) -> None:
    key = await shop.stream()
    sockets = await followers(shop, key)
    product = await shop.product(key, stock=5)
    taken = await asyncio.gather(*(shop.take_one(product, node=number % 2) for number in range(12)))
    assert sum(taken) == 5
    fence = await shop.product(key)
    for socket in sockets:
        await socket.expect("live:product:added", id=fence["id"])
        assert len(socket.take("live:product:soldout")) == 1
        versions = [event["data"]["version"] for event in socket.take("live:product:updated")]
        assert versions == sorted(set(versions))


async def test_rejoin_with_a_cursor_replays_missed_changes(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    socket = await shop.connect(ann, "/")
    cursor = (await socket.call("join:stream", {"streamId": key}))["cursor"]
    await socket.drop()
    product = await shop.product(key, stock=9)
    changed = await shop.change(product, price="2.00")
    again = await shop.connect(ann, "/", node=1)
    joined = await again.call("join:stream", {"streamId": key, "since": cursor})
    assert joined["recovered"] is True
    assert [(event["event"], event["payload"]["data"]) for event in joined["events"]] == [
        ("live:product:added", product),
        ("live:product:updated", changed),
    ]
    assert [event["seq"] for event in joined["events"]] == [cursor["seq"] + 1, cursor["seq"] + 2]
    assert joined["products"] == [changed]


async def test_followers_of_another_stream_receive_nothing(shop: Shop) -> None:
    key, elsewhere = await shop.stream(), await shop.stream()
    [socket, _] = await followers(shop, key)
    await shop.product(elsewhere)
    fence = await shop.product(key)
    assert (await socket.expect("live:product:added"))["data"] == fence


@by_transport
async def test_joins_and_leaves_are_broadcast(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    witness = (await followers(shop, key, transport))[1]
    ann = await shop.person()
    socket = await shop.connect(ann, "/")
    await socket.call("join:stream", {"streamId": key})
    published = await witness.expect("user:joined", userId=ann.id)
    assert set(published) == {"userId", "streamId", "timestamp"}
    assert published["streamId"] == key
    await socket.call("leave:stream", {"streamId": key})
    published = await witness.expect("user:left", userId=ann.id)
    assert set(published) == {"userId", "streamId", "timestamp"}
    await socket.call("join:stream", {"streamId": key})
    await witness.expect("user:joined", userId=ann.id)
    await socket.disconnect()
    await witness.expect("user:left", userId=ann.id)


async def test_leaving_a_stream_ends_product_events(shop: Shop) -> None:
    key = await shop.stream()
    left, stays = await followers(shop, key)
    assert await left.call("leave:stream", {"streamId": key}) == {"room": f"stream:{key}"}
    assert await left.call("leave:stream", {"streamId": key}) == {"room": f"stream:{key}"}
    await shop.product(key)
    await stays.expect("live:product:added")
    await left.fail("fence")
    left.refute("live:product:added")


async def test_an_unknown_stream(shop: Shop) -> None:
    socket = await shop.connect(await shop.person(), "/")
    assert (await socket.fail("join:stream", {"streamId": "no-such-stream"}))["code"] == "NOT_FOUND"
