"""Every logged event says its room, its place and its time, the same whichever way it comes to a client."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.dev.servers import RedisProcess
from gateway.keys import CHAT, ROOT, STREAMING
from gateway.protocol.broadcasts import BROADCASTS
from tests.client.client import Client
from tests.client.socket import ClientSocket
from tests.cluster.shop import Shop, open_shop
from tests.cluster.stamps import unstamped

EVENTS = ("chat:message", "chat:settings", "chat:announcement", "chat:pinned", "chat:unpinned")
ALL = len(EVENTS)


async def happen(shop: Shop, key: str, *, node: int = 0) -> None:
    """Make one event of each kind happen in a chat room, in the order of EVENTS."""
    admin = await shop.chatter(key, as_=await shop.person("ADMIN"), node=node)
    message = await admin.call("chat:send-message", {"liveId": key, "message": '안녕 "seq":0 <b>'})
    await admin.call("chat:slow-mode", {"liveId": key, "seconds": 1})
    await admin.call("chat:announce", {"liveId": key, "message": "hear, hear"})
    await admin.call("chat:pin-message", {"liveId": key, "messageId": message["id"]})
    await admin.call("chat:unpin-message", {"liveId": key, "messageId": message["id"]})


async def live_stream(shop: Shop) -> str:
    """Return a stream that has begun."""
    key = await shop.stream()
    await shop.request("POST", f"/streams/{key}/start", token=(await shop.owner()).token, status={200})
    return key


async def received(socket: ClientSocket) -> list[dict[str, Any]]:
    """Return the payloads of EVENTS as a socket received them."""
    return [await socket.expect(event) for event in EVENTS]


async def test_an_event_is_the_same_live_recovered_and_since(shop: Shop) -> None:
    key = await live_stream(shop)
    witnesses = [await shop.chatter(key, node=node) for node in (0, 1)]
    recovered = await shop.chatter(key)
    cursor = (await witnesses[0].call("chat:join-room", {"liveId": key}))["cursor"]
    await recovered.drop()
    await happen(shop, key)

    live = await received(witnesses[0])
    assert await received(witnesses[1]) == live
    await recovered.reconnect(url=shop.urls[1])
    assert recovered.recovered
    assert await received(recovered) == live
    joined = await witnesses[1].call("chat:join-room", {"liveId": key, "since": cursor})
    assert [event["payload"] for event in joined["events"]] == live
    assert [event["seq"] for event in joined["events"]] == [payload["seq"] for payload in live]

    assert [payload["seq"] for payload in live] == list(range(cursor["seq"] + 1, cursor["seq"] + 1 + ALL))
    assert {payload["epoch"] for payload in live} == {cursor["epoch"]}
    assert live[-1]["seq"] == joined["cursor"]["seq"]
    assert [payload["at"] for payload in live] == sorted(payload["at"] for payload in live)
    for event, payload in zip(EVENTS, live, strict=True):
        assert "streamTime" in payload["data"]
        bare = unstamped(payload, f"live:{key}")
        assert set(bare) == {"type", "data"}
        assert bare["type"] == event
        assert payload["data"].get("seq", payload["seq"]) == payload["seq"]


async def test_bare_events_of_every_namespace_are_stamped(shop: Shop) -> None:
    key = await shop.stream()
    viewer = await shop.viewer(key)
    shopper = await shop.connect(await shop.person(), "/", node=1)
    cursor = (await shopper.call("join:stream", {"streamId": key}))["cursor"]
    product = await shop.product(key)
    token = (await shop.owner()).token
    await shop.request("POST", f"/streams/{key}/start", token=token, status={200})
    body = {"productId": product["id"]}
    await shop.request("PUT", f"/streams/{key}/featured-product", body=body, token=token, status={200})

    started = await viewer.expect("stream:started")
    assert set(unstamped(started, f"stream:{key}")) == {"streamKey", "timestamp"}
    added = await shopper.expect("live:product:added")
    assert unstamped(added, f"stream:{key}") == {"type": "live:product:added", "data": product}
    featured = await shopper.expect("stream:featured-product:updated")
    assert set(unstamped(featured, f"stream:{key}")) == {"streamKey", "productId", "product"}
    assert [(event["epoch"], event["seq"]) for event in (added, featured)] == [
        (cursor["epoch"], cursor["seq"] + 1),
        (cursor["epoch"], cursor["seq"] + 2),
    ]
    joined = await shopper.call("join:stream", {"streamId": key, "since": cursor})
    assert [event["payload"] for event in joined["events"]] == [added, featured]


async def test_a_node_that_reads_the_log_sends_the_same_stamps(
    client: Client, tmp_path: Path, database_url: str, own_redis: RedisProcess
) -> None:
    async with open_shop(client, tmp_path, database_url, own_redis.url) as shop:
        key = await live_stream(shop)
        near, far = await shop.chatter(key, node=0), await shop.chatter(key, node=1)
        admin = await shop.chatter(key, as_=await shop.person("ADMIN"))
        own_redis.kill()
        await admin.call("chat:announce", {"liveId": key, "message": "without Redis"})
        await admin.call("chat:freeze", {"liveId": key, "frozen": True})
        for event in ("chat:announcement", "chat:settings"):
            published = await far.expect(event)
            assert published == await near.expect(event)
            assert "streamTime" in published["data"]
        own_redis.start()


async def test_events_have_the_time_of_the_stream(shop: Shop) -> None:
    key = await shop.stream()
    viewer, member = await shop.viewer(key), await shop.chatter(key)
    cursor = (await member.call("chat:join-room", {"liveId": key}))["cursor"]
    await member.call("chat:send-message", {"liveId": key, "message": "before the show"})
    token = (await shop.owner()).token
    view = await shop.request("POST", f"/streams/{key}/start", token=token, status={200})
    began = datetime.fromisoformat(view["startedAt"])
    started = await viewer.expect("stream:started")
    await member.call("chat:send-message", {"liveId": key, "message": "in the show"})
    before, during = [await member.expect("chat:message") for _ in range(2)]
    assert "streamTime" not in before["data"]
    for event, holder in ((started, started), (during, during["data"])):
        passed = datetime.fromisoformat(event["at"]) - began
        assert abs(holder["streamTime"] - passed / timedelta(milliseconds=1)) <= 1, "both are cut to milliseconds"
    back = (await member.call("chat:join-room", {"liveId": key, "since": cursor}))["events"]
    assert [event["payload"] for event in back] == [before, during]


ELSEWHERE = {"chat:room-state", "chat:sampled"}  # of rooms with many people: test_contract_chat, test_sampled_room


async def act(shop: Shop, key: str) -> None:
    """Make every event of a stream's rooms happen, except ELSEWHERE, and the start and the end of the stream."""
    admin_person, host = await shop.person("ADMIN"), (await shop.owner()).token
    admin = await shop.chatter(key, as_=admin_person)
    message = {
        "liveId": key,
        "messageId": (await admin.call("chat:send-message", {"liveId": key, "message": "a"}))["id"],
    }
    await admin.call("chat:pin-message", message)
    await admin.call("chat:unpin-message", message)
    await admin.call("chat:slow-mode", {"liveId": key, "seconds": 2})
    await admin.call("chat:announce", {"liveId": key, "message": "hear, hear"})
    cleared = await admin.call("chat:clear", {"liveId": key})
    await admin.call("chat:undo-clear", {"liveId": key, "clearId": cleared["clearId"]})
    await admin.call("chat:delete-message", message)
    await admin.call("chat:leave-room", {"liveId": key})
    viewer = await shop.viewer(key, as_=admin_person)
    await viewer.call("stream:heart", {"streamKey": key})
    buyer = await shop.person()
    shopper = await shop.connect(buyer, "/")
    await shopper.call("join:stream", {"streamId": key})
    await shopper.call("leave:stream", {"streamId": key})
    product = await shop.product(key, stock=6)
    body = {"productId": product["id"]}
    await shop.request("PUT", f"/streams/{key}/featured-product", body=body, token=host, status={200})
    for quantity in (2, 4):  # low in stock, then sold out
        order = {"items": [{"productId": product["id"], "quantity": quantity}]}
        await shop.request("POST", "/orders", body=order, token=buyer.token, status={201})
    await shop.request("PATCH", f"/products/{product['id']}", body={"name": "Cup"}, token=host, status={200})
    await shop.request("DELETE", f"/products/{product['id']}", token=host, status={204})


async def test_every_event_of_a_stream_has_its_time(shop: Shop) -> None:
    key, token = await shop.stream(), (await shop.owner()).token
    shopper = await shop.connect(await shop.person(), "/", node=1)
    await shopper.call("join:stream", {"streamId": key})
    witnesses = {
        CHAT: await shop.chatter(key, node=1),
        STREAMING: await shop.viewer(key, node=1),
        ROOT: shopper,
    }
    early = await shop.viewer(key)
    assert "streamTime" not in (await witnesses[STREAMING].expect("stream:viewer:update", viewerCount=2))["data"]
    await early.call("stream:viewer:leave", {"streamKey": key})
    await witnesses[STREAMING].expect("stream:viewer:update", viewerCount=1)
    for namespace, socket in witnesses.items():  # of their own joins, before the start
        for event in BROADCASTS[namespace]:
            socket.take(event)
    await shop.request("POST", f"/streams/{key}/start", token=token, status={200})
    view = await shop.request("GET", f"/streams/{key}", token=token, status={200})
    await act(shop, key)
    await shop.request("POST", f"/streams/{key}/stop", token=token, status={200})
    for namespace, socket in witnesses.items():
        for event, broadcast in BROADCASTS[namespace].items():
            if broadcast.timed and event not in ELSEWHERE:
                payload = await socket.expect(event, within=5)
                holder = payload["data"] if broadcast.typed else payload
                assert isinstance(holder["streamTime"], int), event
                since_start = datetime.now(UTC) - datetime.fromisoformat(view["startedAt"])
                assert 0 <= holder["streamTime"] <= since_start / timedelta(milliseconds=1) + 1000, event
                assert ("at" in payload) == broadcast.logged
