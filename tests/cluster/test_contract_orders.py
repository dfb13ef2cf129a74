"""The wire contract of orders: ordered over HTTP on one node, received on both by the room and by administrators."""

import asyncio
from typing import Any

from tests.client.socket import ClientSocket
from tests.cluster.shop import Person, Shop
from tests.cluster.stamps import unstamped
from tests.timing import until

ORDER_FIELDS = {"id", "userId", "status", "items", "total", "createdAt", "paidAt", "cancelledAt", "expiresAt"}


async def follower(shop: Shop, key: str, *, node: int = 0, as_: Person | None = None) -> ClientSocket:
    """Somebody who follows the products of a stream."""
    socket = await shop.connect(as_ or await shop.person(), "/", node=node)
    await socket.call("join:stream", {"streamId": key})
    return socket


async def refused(shop: Shop, who: Person, method: str, path: str, status: int, **how: Any) -> str:
    """Send a request that must be refused, and return the code."""
    answer = await shop.request(method, path, token=who.token, status={status}, **how)
    assert set(answer) <= {
        "statusCode", "errorCode", "message", "retryable", "details", "requestId", "timestamp",
    }  # fmt: skip
    return str(answer["errorCode"])


async def test_an_order_is_answered_broadcast_and_readable(shop: Shop) -> None:
    key, ann = await shop.stream(), await shop.person()
    cup, mug = await shop.product(key, name="Cup", price="19.90", stock=6), await shop.product(key, price=0.1, stock=2)
    sockets = [await follower(shop, key, node=node) for node in (0, 1)]
    admin = await shop.office(await shop.person("ADMIN"), node=1)
    order = await shop.buy(ann, (cup, 2), (mug, 2), key="first")
    assert set(order) == ORDER_FIELDS
    assert (order["status"], order["total"], order["userId"], order["paidAt"]) == ("PENDING", 40.0, ann.id, None)
    first = {"productId": cup["id"], "streamKey": key, "name": "Cup", "price": 19.9, "quantity": 2}
    assert order["items"][0] == first
    for socket in sockets:
        assert (await socket.expect("product:low-stock"))["data"]["remainingStock"] == 4
        assert (await socket.expect("live:product:soldout"))["data"] == {"productId": mug["id"], "version": 2}
        published = await socket.expect("order:purchase:notification")
        masked = f"{ann.username[0]}***"
        said = f"{masked} bought 2 × Cup and 1 more"
        assert unstamped(published, f"stream:{key}") == {"streamKey": key, "displayName": masked, "message": said}
        updated = [event["data"] for event in socket.take("live:product:updated")]
        assert [(product["id"], product["stock"], product["status"]) for product in updated] == [
            (cup["id"], 4, "AVAILABLE"),
            (mug["id"], 0, "SOLD_OUT"),
        ]
        socket.refute("order:new")
    assert unstamped(await admin.expect("order:new", id=order["id"]), "admins") == {"type": "order:new", "data": order}

    assert await shop.buy(ann, (mug, 2), (cup, 2), key="first", node=1) == order
    assert (await shop.buy(ann, cup, key="first", status=409))["errorCode"] == "CONFLICT"
    path = f"/orders/{order['id']}"
    assert await shop.request("GET", path, token=ann.token, node=1, status={200}) == order
    assert (await shop.request("GET", "/orders", token=ann.token, status={200}))["items"] == [order]

    answer = await shop.buy(ann, (cup, 5), mug, status=409)
    assert (answer["errorCode"], answer["details"]) == (
        "INSUFFICIENT_STOCK",
        [
            {"productId": cup["id"], "requested": 5, "left": 4},
            {"productId": mug["id"], "requested": 1, "left": 0},
        ],
    )


async def test_cancelling_returns_stock_and_payment_is_broadcast(shop: Shop) -> None:
    key, ann, admin = await shop.stream(), await shop.person(), await shop.person("ADMIN")
    cup = await shop.product(key, stock=1)
    socket, office = await follower(shop, key), await shop.office(admin)
    first = await shop.buy(ann, cup)
    path = f"/orders/{first['id']}"
    answers = await asyncio.gather(
        *(shop.request("DELETE", path, token=ann.token, node=n % 2, status={200}) for n in range(6))
    )
    assert {answer["status"] for answer in answers} == {"CANCELLED"}
    assert await refused(shop, admin, "POST", f"{path}/paid", 409) == "CONFLICT"
    second = await shop.buy(ann, cup, node=1)
    paid = await shop.request("POST", f"/orders/{second['id']}/paid", token=admin.token, status={200})
    assert (paid["status"], paid["paidAt"] is None) == ("PAID", False)
    assert unstamped(await office.expect("order:paid"), "admins") == {"type": "order:paid", "data": paid}
    assert await refused(shop, ann, "DELETE", f"/orders/{second['id']}", 409) == "CONFLICT"
    await shop.product(key)
    await socket.expect("live:product:added")
    states = [(event["data"]["version"], event["data"]["stock"]) for event in socket.take("live:product:updated")]
    assert states == [(2, 0), (3, 1), (4, 0)]
    assert len(socket.take("live:product:soldout")) == 2
    assert len(office.take("order:new", userId=ann.id)) == 2


async def test_order_permissions(shop: Shop) -> None:
    key, ann, bob, admin = await shop.stream(), await shop.person(), await shop.person(), await shop.person("ADMIN")
    cup = await shop.product(key)
    order = await shop.buy(ann, cup)
    path = f"/orders/{order['id']}"
    body = {"items": [{"productId": cup["id"], "quantity": 1}]}
    assert await refused(shop, shop.guest(), "POST", "/orders", 403, body=body) == "FORBIDDEN"
    assert (await shop.request("POST", "/orders", body=body, status={401}))["errorCode"] == "AUTH_REQUIRED"
    assert await refused(shop, bob, "GET", path, 404) == "NOT_FOUND"
    assert await refused(shop, bob, "DELETE", path, 404) == "NOT_FOUND"
    assert await refused(shop, ann, "POST", f"{path}/paid", 403) == "FORBIDDEN"
    assert await refused(shop, bob, "GET", f"/orders?userId={ann.id}", 403) == "FORBIDDEN"
    listed = await shop.request("GET", f"/orders?userId={ann.id}&status=PENDING", token=admin.token, status={200})
    assert listed == {"items": [order | {"username": ann.username}], "nextCursor": None}
    body["items"][0]["productId"] = "999999999"
    assert await refused(shop, ann, "POST", "/orders", 404, body=body) == "NOT_FOUND"
    assert await refused(shop, ann, "POST", "/orders", 400, body={"items": []}) == "INVALID_PAYLOAD"
    for key in ("two words", "x" * 129):
        answer = await shop.buy(ann, cup, key=key, status=400)
        assert answer["errorCode"] == "INVALID_PAYLOAD"


async def test_only_administrators_receive_events_of_orders(shop: Shop) -> None:
    key, boss = await shop.stream(), await shop.person("ADMIN")
    ann = await shop.person()
    cup = await shop.product(key)
    office, other = await shop.office(boss), await shop.connect(await shop.person("MODERATOR"), "/")
    await shop.buy(ann, cup)
    await office.expect("order:new", userId=ann.id)
    # A recovered socket receives the events that it missed.
    await office.drop()
    missed = await shop.buy(ann, cup)
    await office.reconnect(url=shop.urls[1])
    assert office.recovered
    await office.expect("order:new", id=missed["id"])
    await other.fail("fence")
    other.refute("order:new")


async def test_order_events_follow_the_role(shop: Shop) -> None:
    key, ann, boss = await shop.stream(), await shop.person(), await shop.person("ADMIN")
    cup, changing = await shop.product(key, stock=1000), await shop.person("ADMIN")
    guest = await shop.connect(shop.guest(), "/")
    await guest.call("auth:refresh", {"token": changing.token})
    socket = await shop.office(changing, node=1)
    witnesses = [await shop.office(boss, node=node) for node in (0, 1)]

    async def receivers() -> list[ClientSocket]:
        """Buy something; return which of the two sockets receive the order."""
        order = await shop.buy(ann, cup)
        for witness in witnesses:  # on the same nodes, so that the others have the event by now, too
            await witness.expect("order:new", id=order["id"])
        for changed in (guest, socket):
            await changed.fail("fence")
        return [changed for changed in (guest, socket) if changed.take("order:new", id=order["id"])]

    async def none_receives() -> bool:
        return await receivers() == []

    async def socket_receives() -> bool:
        return socket in await receivers()

    assert await receivers() == [guest, socket]
    path = f"/users/{changing.id}"
    await shop.request("PATCH", path, body={"role": "USER"}, token=boss.token, status={200})
    await until(none_receives, what="the change of role reaches both sockets")
    assert await receivers() == []
    await shop.request("PATCH", path, body={"role": "ADMIN"}, token=boss.token, status={200})
    await until(socket_receives, what="the change of role reaches the socket")


# --- what a stream shows first ----------------------------------------------------------------------------------------


async def test_featured_product_of_a_stream(shop: Shop) -> None:
    host, stranger = await shop.person("HOST"), await shop.person("HOST")
    key = f"own-{host.id[:8]}"
    await shop.request("POST", "/streams", body={"title": key, "key": key}, token=host.token, status={201})
    cup, mug = await shop.product(key), await shop.product(key)
    elsewhere = await shop.product(await shop.stream())
    socket, path = await follower(shop, key, node=1), f"/streams/{key}/featured-product"

    async def put(who: Person, product: dict[str, Any], status: int) -> Any:
        return await shop.request("PUT", path, body={"productId": product["id"]}, token=who.token, status={status})

    shown = {"streamKey": key, "productId": cup["id"], "product": cup}
    assert await put(host, cup, 200) == shown
    assert unstamped(await socket.expect("stream:featured-product:updated"), f"stream:{key}") == shown
    assert await put(host, cup, 200) == shown
    assert (await put(stranger, mug, 403))["errorCode"] == "FORBIDDEN"
    assert (await put(host, elsewhere, 404))["errorCode"] == "NOT_FOUND"
    joined = await socket.call("join:stream", {"streamId": key})
    assert joined["featured"] == cup
    assert await put(await shop.person("ADMIN"), mug, 200) == {"streamKey": key, "productId": mug["id"], "product": mug}
    assert (await socket.expect("stream:featured-product:updated"))["productId"] == mug["id"]
    nothing = {"streamKey": key, "productId": None, "product": None}
    await shop.delete(mug)
    assert unstamped(await socket.expect("stream:featured-product:updated"), f"stream:{key}") == nothing
    await socket.expect("live:product:deleted")
    assert (await socket.call("join:stream", {"streamId": key}))["featured"] is None
    await put(host, cup, 200)
    await socket.expect("stream:featured-product:updated")
    for _ in range(2):
        assert await shop.request("DELETE", path, token=host.token, status={204}) is None
    assert unstamped(await socket.expect("stream:featured-product:updated"), f"stream:{key}") == nothing
    await shop.product(key)
    await socket.expect("live:product:added")
    socket.refute("stream:featured-product:updated")


async def test_several_products_are_changed_all_or_none(shop: Shop) -> None:
    keys = [await shop.stream(), await shop.stream()]
    cup, mug = await shop.product(keys[0], stock=9), await shop.product(keys[1], stock=9)
    sockets = [await follower(shop, key) for key in keys]
    admin = await shop.person("ADMIN")
    items = [{"id": cup["id"], "price": "4.50", "version": 1}, {"id": mug["id"], "stock": 0}]
    answer = await shop.request("PATCH", "/products", body={"items": items}, token=admin.token, status={200})
    changed = answer["items"]
    assert [(product["price"], product["stock"], product["version"]) for product in changed] == [
        (4.5, 9, 2),
        (10, 0, 2),
    ]
    for socket, product in zip(sockets, changed, strict=True):
        assert (await socket.expect("live:product:updated"))["data"] == product
    await sockets[1].expect("live:product:soldout")
    items[0]["price"] = "5"
    assert await refused(shop, admin, "PATCH", "/products", 409, body={"items": items[::-1]}) == "CONFLICT"
    items[0] = {"id": "99999999", "stock": 1}
    items[1]["stock"] = 7
    assert await refused(shop, admin, "PATCH", "/products", 404, body={"items": items[::-1]}) == "NOT_FOUND"
    for wrong in ([], [items[1], items[1]], [items[1] | {"name": None}], [items[1]] * 101):
        assert await refused(shop, admin, "PATCH", "/products", 400, body={"items": wrong}) == "INVALID_PAYLOAD"
    now = [await shop.request("GET", f"/products/{product['id']}", status={200}) for product in changed]
    assert now == changed


async def test_administrators_join_orders_with_a_cursor(shop: Shop) -> None:
    key, boss, ann = await shop.stream(), await shop.person("ADMIN"), await shop.person()
    cup = await shop.product(key)
    first = await (await shop.connect(boss, "/")).call("join:orders", {})
    assert (first["room"], first["recovered"], set(first["cursor"])) == ("admins", False, {"epoch", "seq"})
    missed = await shop.buy(ann, cup)
    office = await shop.connect(boss, "/", node=1)
    back = await office.call("join:orders", {"since": first["cursor"]})
    assert back["recovered"]
    published = [(event["event"], event["payload"]["data"]["id"]) for event in back["events"]]
    assert ("order:new", missed["id"]) in published
    places = [event["seq"] for event in back["events"]]
    assert places == list(range(first["cursor"]["seq"] + 1, back["cursor"]["seq"] + 1))
    order = await shop.buy(ann, cup)
    await office.expect("order:new", id=order["id"])
    for role in ("USER", "HOST", "MODERATOR"):
        socket = await shop.connect(await shop.person(role), "/")
        assert (await socket.fail("join:orders", {}))["code"] == "FORBIDDEN"
    assert (await office.fail("join:orders", {"since": "x"}))["code"] == "INVALID_PAYLOAD"


async def test_an_order_at_another_price_is_refused_with_the_present_ones(shop: Shop) -> None:
    key, ann = await shop.stream(), await shop.person()
    cup, mug = await shop.product(key, price="19.90", stock=5), await shop.product(key, price=3)
    cup = await shop.change(cup, price="25.50", node=1)

    def lines(cup_price: Any) -> dict[str, Any]:
        asked = ((cup, cup_price), (mug, 3))
        return {"items": [{"productId": product["id"], "quantity": 1, "price": price} for product, price in asked]}

    answer = await shop.request("POST", "/orders", body=lines("19.90"), token=ann.token, status={409})
    assert (answer["errorCode"], answer["retryable"]) == ("PRICE_CHANGED", False)
    assert answer["details"] == [{"productId": cup["id"], "asked": 19.9, "price": 25.5}]
    assert (await shop.request("GET", f"/products/{cup['id']}", status={200}))["stock"] == 5
    order = await shop.request("POST", "/orders", body=lines(25.5), token=ann.token, status={201})
    assert order["total"] == 28.5


async def test_an_unpaid_order_expires_for_its_buyer_and_administrators(shop: Shop) -> None:
    key, ann = await shop.stream(), await shop.person()
    cup = await shop.product(key, stock=2)
    anns = [await shop.connect(ann, "/", node=node) for node in (0, 1)]
    office, other = await shop.office(await shop.person("ADMIN"), node=1), await follower(shop, key)
    order = await shop.buy(ann, (cup, 2))
    await other.expect("live:product:updated", stock=0)
    await shop._database.execute(
        "UPDATE orders SET expires_at = now() - interval '1 second' WHERE id = $1::uuid", order["id"]
    )
    back = await other.expect("live:product:updated", stock=2)
    assert back["data"]["status"] == "AVAILABLE"
    expired = unstamped(await office.expect("order:expired", id=order["id"]), "admins")
    for socket in anns:
        assert await socket.expect("order:expired") == expired
    path = f"/orders/{order['id']}"
    assert expired == {
        "type": "order:expired",
        "data": await shop.request("GET", path, token=ann.token, status={200}),
    }
    assert (expired["data"]["status"], set(expired["data"])) == ("EXPIRED", ORDER_FIELDS)

    cancelled = await shop.buy(ann, cup)
    answer = await shop.request("DELETE", f"/orders/{cancelled['id']}", token=ann.token, status={200})
    told = unstamped(await office.expect("order:cancelled", id=cancelled["id"]), "admins")
    assert told == {"type": "order:cancelled", "data": answer}
    await other.expect("live:product:updated", version=back["data"]["version"] + 2)
    for event in ("order:expired", "order:cancelled"):
        other.refute(event)
    assert office.take("order:expired", userId=ann.id) == [], "once"
