"""The wire contract's limits: per user, over sockets and nodes, exact."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.client.socket import ClientSocket
from tests.cluster.shop import Shop

# How one comes into a room, in each namespace.
JOINS = [
    ("/", ("join:stream", "streamId")),
    ("/chat", ("chat:join-room", "liveId")),
    ("/streaming", ("stream:viewer:join", "streamKey")),
]


def outcomes(acks: list[dict[str, Any]]) -> Counter[str]:
    """How often each answer was given."""
    return Counter("ok" if ack["ok"] else ack["error"]["code"] for ack in acks)


async def three_sockets(shop: Shop, key: str) -> list[ClientSocket]:
    """Three sockets of one user in one room, on two nodes."""
    ann = await shop.person()
    return [await shop.chatter(key, as_=ann, node=node) for node in (0, 1, 1)]


async def send(socket: ClientSocket, key: str, number: int, **more: str) -> dict[str, Any]:
    """One message; its ack."""
    return await socket.ask("chat:send-message", {"liveId": key, "message": f"{number}", **more})


async def test_exactly_twenty_messages_in_ten_seconds_over_two_nodes(shop: Shop) -> None:
    key = await shop.stream()
    sockets = await three_sockets(shop, key)
    acks = await asyncio.gather(*(send(sockets[number % 3], key, number) for number in range(60)))
    assert outcomes(acks) == {"ok": 20, "RATE_LIMIT_EXCEEDED": 40}
    for ack in acks:
        if not ack["ok"]:
            assert ack["error"]["retryable"] is True
            assert 0 < ack["error"]["retryAfterMs"] <= 10_000
    published = await sockets[0].expect_all("chat:message", 20)
    stored = {ack["data"]["id"] for ack in acks if ack["ok"]}
    assert {event["data"]["id"] for event in published} == stored


async def test_the_limit_is_per_user(shop: Shop) -> None:
    key = await shop.stream()
    [mine, _, _], other = await three_sockets(shop, key), await shop.chatter(key)
    acks = await asyncio.gather(*(send(mine, key, number) for number in range(21)))
    assert outcomes(acks)["RATE_LIMIT_EXCEEDED"] == 1
    assert (await send(other, key, 0))["ok"]


async def test_the_error_event_has_the_retry_time(shop: Shop) -> None:
    key = await shop.stream()
    socket = await shop.chatter(key)
    for _ in range(21):
        socket.emit("chat:send-message", {"liveId": key, "message": "x"})
    published = await socket.expect("error")
    assert (published["event"], published["errorCode"], published["retryable"]) == (
        "chat:send-message",
        "RATE_LIMIT_EXCEEDED",
        True,
    )
    assert 0 < published["retryAfterMs"] <= 10_000


async def test_invalid_and_repeated_messages_are_not_charged(shop: Shop) -> None:
    key = await shop.stream()
    sockets = await three_sockets(shop, key)
    outside = await shop.stream()
    first = await send(sockets[0], key, 0, clientMessageId="c")
    for number in range(20):  # four refused ones each, of which a hundred are allowed
        socket = sockets[number % 3]
        assert (await send(socket, key, 0, clientMessageId="c"))["data"] == first["data"] | {"duplicate": True}
        await socket.fail("chat:send-message", {"liveId": key})
        await socket.fail("chat:send-message", {"liveId": key, "message": ""})
        await socket.fail("chat:send-message", {"liveId": key, "message": "x" * 501})
        assert (await socket.fail("chat:send-message", {"liveId": outside, "message": "x"}))["code"] == "NOT_IN_ROOM"
    acks = await asyncio.gather(*(send(sockets[number % 3], key, number) for number in range(25)))
    assert outcomes(acks) == {"ok": 19, "RATE_LIMIT_EXCEEDED": 6}
    assert (await send(sockets[1], key, 0, clientMessageId="c"))["data"]["duplicate"] is True


async def test_an_admin_has_the_same_limit(shop: Shop) -> None:
    key = await shop.stream()
    admin = await shop.chatter(key, as_=await shop.person("ADMIN"))
    acks = await asyncio.gather(*(send(admin, key, number) for number in range(25)))
    assert outcomes(acks) == {"ok": 20, "RATE_LIMIT_EXCEEDED": 5}


async def test_a_page_is_reloaded_twenty_times(shop: Shop) -> None:
    """Three tabs of one person, each in three namespaces: after a restart all of them come at once."""
    key, ann = await shop.stream(), await shop.person()
    for _ in range(20):
        sockets = await asyncio.gather(*(shop.connect(ann, namespace) for namespace, _ in JOINS for _ in range(3)))
        asks = [(event, {field: key}) for _, (event, field) in JOINS for _ in range(3)]
        acks = await asyncio.gather(*(socket.ask(*ask) for socket, ask in zip(sockets, asks, strict=True)))
        assert outcomes(acks) == {"ok": 9}
        await asyncio.gather(*(socket.disconnect() for socket in sockets))


async def test_exactly_a_hundred_joins_in_a_namespace_over_nodes(shop: Shop) -> None:
    key, ann = await shop.stream(), await shop.person()
    sockets = await asyncio.gather(*(shop.connect(ann, "/chat", node=number % 2) for number in range(120)))
    acks = await asyncio.gather(*(socket.ask("chat:join-room", {"liveId": key}) for socket in sockets))
    assert outcomes(acks) == {"ok": 100, "RATE_LIMIT_EXCEEDED": 20}
    root = await shop.connect(ann, "/")
    await root.call("join:stream", {"streamId": key})
    joined = sockets[[ack["ok"] for ack in acks].index(True)]
    await joined.call("chat:leave-room", {"liveId": key})


async def test_repeated_joins_are_not_charged(shop: Shop) -> None:
    key, other = await shop.stream(), await shop.stream()
    socket = await shop.chatter(key)
    acks = await asyncio.gather(*(socket.ask("chat:join-room", {"liveId": key}) for _ in range(150)))
    assert outcomes(acks) == {"ok": 150}
    assert (await socket.ask("chat:join-room", {"liveId": other}))["ok"]


@pytest.mark.parametrize(
    ("namespace", "event", "name"),
    [(namespace, *join) for namespace, join in JOINS] + [("/", "join:orders", None)],
)
async def test_joins_that_catch_up_are_not_charged(shop: Shop, namespace: str, event: str, name: str | None) -> None:
    ask = {name: await shop.stream()} if name else {}
    ann = await shop.person("USER" if name else "ADMIN")
    since = (await (await shop.connect(ann, namespace)).call(event, ask))["cursor"]
    sockets = await asyncio.gather(*(shop.connect(ann, namespace, node=number % 2) for number in range(120)))
    acks = await asyncio.gather(*(socket.ask(event, ask | {"since": since}) for socket in sockets))
    assert outcomes(acks) == {"ok": 120}


async def test_exactly_a_hundred_other_events(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    sockets = [await shop.chatter(key, as_=ann, node=node) for node in (0, 1)]
    asks = [sockets[number % 2].ask("chat:history", {"liveId": key, "limit": 1}) for number in range(120)]
    assert outcomes(await asyncio.gather(*asks)) == {"ok": 100, "RATE_LIMIT_EXCEEDED": 20}
    assert (await send(sockets[0], key, 0))["ok"], "messages have a limit of their own"


async def test_above_a_hundred_refused_requests_nothing_is_looked_at(shop: Shop) -> None:
    key, ann = await shop.stream(), await shop.person()
    sockets = [await shop.chatter(key, as_=ann, node=node) for node in (0, 1)]
    asks = [sockets[number % 2].ask("chat:send-message", {"liveId": key}) for number in range(100)]
    assert outcomes(await asyncio.gather(*asks)) == {"INVALID_PAYLOAD": 100}
    for socket in sockets:
        refused = await socket.fail("chat:send-message", {"liveId": key})
        assert (refused["code"], refused["retryable"]) == ("RATE_LIMIT_EXCEEDED", True)
        assert 0 < refused["retryAfterMs"] <= 10_000
        for event, payload in (("chat:history", {"liveId": key}), ("no-such-event", {}), ("chat:history", "rubbish")):
            assert (await socket.fail(event, payload))["code"] == "RATE_LIMIT_EXCEEDED", event
    assert (await send(await shop.chatter(key), key, 0))["ok"], "others are not affected"
