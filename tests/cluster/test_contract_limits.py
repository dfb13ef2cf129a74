"""The wire contract's limits: per user, over sockets and nodes, exact."""

import asyncio
from collections import Counter
from typing import Any

from tests.client.socket import ClientSocket
from tests.cluster.shop import Shop


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
    told = await sockets[0].expect_all("chat:message", 20)
    stored = {ack["data"]["id"] for ack in acks if ack["ok"]}
    assert {event["data"]["id"] for event in told} == stored


async def test_the_limit_is_each_users_own(shop: Shop) -> None:
    key = await shop.stream()
    [mine, _, _], other = await three_sockets(shop, key), await shop.chatter(key)
    acks = await asyncio.gather(*(send(mine, key, number) for number in range(21)))
    assert outcomes(acks)["RATE_LIMIT_EXCEEDED"] == 1
    assert (await send(other, key, 0))["ok"]


async def test_without_an_ack_the_error_event_says_when_to_try_again(shop: Shop) -> None:
    key = await shop.stream()
    socket = await shop.chatter(key)
    for _ in range(21):
        socket.emit("chat:send-message", {"liveId": key, "message": "x"})
    told = await socket.expect("error")
    assert set(told) == {"type", "errorCode", "message", "retryAfterMs", "requestId", "timestamp"}
    assert told["errorCode"] == "RATE_LIMIT_EXCEEDED"
    assert 0 < told["retryAfterMs"] <= 10_000


async def test_invalid_and_repeated_messages_cost_nothing(shop: Shop) -> None:
    key = await shop.stream()
    sockets = await three_sockets(shop, key)
    outside = await shop.stream()
    first = await send(sockets[0], key, 0, clientMessageId="c")
    for number in range(30):
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


async def test_exactly_ten_joins_and_leaves_over_namespaces_and_nodes(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    sockets = [await shop.connect(ann, "/chat", node=node) for node in (0, 1)]
    asks = [
        sockets[number % 2].ask(("chat:join-room", "chat:leave-room")[number // 2 % 2], {"liveId": key})
        for number in range(16)
    ]
    assert outcomes(await asyncio.gather(*asks)) == {"ok": 10, "RATE_LIMIT_EXCEEDED": 6}


async def test_exactly_a_hundred_other_events(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    sockets = [await shop.chatter(key, as_=ann, node=node) for node in (0, 1)]
    asks = [sockets[number % 2].ask("chat:history", {"liveId": key, "limit": 1}) for number in range(120)]
    assert outcomes(await asyncio.gather(*asks)) == {"ok": 100, "RATE_LIMIT_EXCEEDED": 20}
    assert (await send(sockets[0], key, 0))["ok"], "messages have a limit of their own"
