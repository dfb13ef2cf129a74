"""The official client after an outage of its connection, its node or Redis: it gets all events, once, in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from gateway.dev.servers import RedisProcess
from gateway.keys import socket_session
from tests.client.client import TRANSPORTS, Client, Transport
from tests.client.socket import ClientSocket, RefusedError
from tests.cluster.shop import Shop, open_shop
from tests.timing import grows, time_limit, until

Sent = list[dict[str, Any]]


@asynccontextmanager
async def talking(shop: Shop, key: str) -> AsyncIterator[Sent]:
    """Send thirty messages a second on each node while the block runs; yield the list of their acks."""
    acked: Sent = []
    stop = asyncio.Event()

    async def send_messages(node: int) -> None:
        talker = await shop.chatter(key, node=node)
        number = 0
        while not stop.is_set():
            number += 1
            ack = await talker.ask("chat:send-message", {"liveId": key, "message": f"{node}:{number}"})
            if ack["ok"]:
                acked.append(ack["data"])
            await asyncio.sleep(0.03)

    tasks = [asyncio.create_task(send_messages(node)) for node in (0, 1)]
    yield acked
    stop.set()
    await asyncio.gather(*tasks)


async def more(acked: Sent, count: int = 15) -> None:
    """Wait until `count` more messages are acked."""
    await grows(lambda: len(acked), count, within=15, what="acked messages")


async def check_received(sockets: list[ClientSocket], acked: Sent) -> None:
    """Check that every client receives every acked message, once, in the order of their places."""
    expected = sorted(ack["seq"] for ack in acked)
    assert expected == list(range(expected[0], expected[0] + len(expected)))
    for socket in sockets:
        received = await socket.expect_all("chat:message", len(expected))
        assert [message["data"]["seq"] for message in received] == expected


# --- Redis ------------------------------------------------------------------------------------------------------------


async def test_no_message_is_lost_when_redis_restarts_under_traffic(
    client: Client, tmp_path: Path, database_url: str, own_redis: RedisProcess
) -> None:
    async with open_shop(
        client, tmp_path, database_url, own_redis.url, CHAT_RATE_LIMIT="1000/second", CHAT_DISPLAY_RATE="0"
    ) as shop:
        key = await shop.stream()
        listeners = [await shop.chatter(key, node=node) for node in (0, 1, 0, 1)]
        async with talking(shop, key) as acked:
            await more(acked)
            own_redis.kill()
            await more(acked)
            own_redis.start()
            await more(acked)
            killer = redis.asyncio.Redis.from_url(own_redis.url)
            for kind in ("pubsub", "pubsub", "normal"):
                await until(partial(killer.client_kill_filter, _type=kind, skipme=True), what="a connection to cut")
                await more(acked, 6)
            await killer.aclose()
        await check_received(listeners, acked)
        assert not [line for node in (0, 1) for line in shop.nodes[node].logs.splitlines() if "Traceback" in line]


async def test_messages_stored_by_a_killed_node_are_delivered_by_the_other(
    client: Client, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with open_shop(
        client, tmp_path, database_url, redis_url, CHAT_RATE_LIMIT="1000/second", CHAT_DISPLAY_RATE="0"
    ) as shop:
        key = await shop.stream()
        listener = await shop.chatter(key, node=1)
        dying = await shop.chatter(key)
        for number in range(200):
            dying.emit("chat:send-message", {"liveId": key, "message": f"{number}"})
        await listener.expect("chat:message")
        await shop.nodes[0].kill()
        fence = await (await shop.chatter(key, node=1)).call("chat:send-message", {"liveId": key, "message": "fence"})
        await listener.expect("chat:message", lambda published: published["data"]["seq"] == fence["seq"])
        received = [message["data"]["seq"] for message in listener.take("chat:message")]
        assert received == list(range(2, fence["seq"]))


# --- connection state recovery ----------------------------------------------------------------------------------------


async def say(socket: ClientSocket, key: str, *texts: str) -> list[str]:
    """Send messages one after the other and give their ids."""
    return [(await socket.call("chat:send-message", {"liveId": key, "message": text}))["id"] for text in texts]


def texts(messages: list[Any]) -> list[str]:
    return [message["data"]["message"] for message in messages]


@pytest.mark.parametrize("node", [0, 1])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_disconnected_client_is_recovered_on_any_node(shop: Shop, node: int, transport: Transport) -> None:
    key = await shop.stream()
    talker, admin = await shop.chatter(key, node=1), await shop.chatter(key, as_=await shop.person("ADMIN"))
    socket = await shop.chatter(key, transport=transport)
    await say(talker, key, "seen")
    await socket.expect("chat:message", message="seen")
    was, pid = socket.id, socket.pid
    await socket.drop()
    socket.mailbox.clear()

    _, unkind, _ = await say(talker, key, "missed 1", "unkind", "missed 2")
    await admin.call("chat:delete-message", {"liveId": key, "messageId": unkind})

    await socket.reconnect(url=shop.urls[node])
    assert (socket.recovered, socket.id, socket.pid) == (True, was, pid)
    await say(talker, key, "next")
    await socket.expect("chat:message-deleted", messageId=unkind)
    await socket.expect("chat:message", lambda published: published["data"]["message"] == "next")
    assert texts(socket.take("chat:message")) == ["missed 1", "missed 2"]
    socket.refute("connection:success")
    # It is in its room, counted, and may talk.
    await say(socket, key, "here I am")
    await socket.expect("chat:message", message="here I am")
    await shop.settles(key, members=3)


async def test_a_socket_without_offset_is_recovered(shop: Shop) -> None:
    """Without an offset of the client: from where it joined."""
    key = await shop.stream()
    talker, socket = await shop.chatter(key), await shop.chatter(key)
    await socket.drop()
    await say(talker, key, "missed")
    await socket.reconnect(url=shop.urls[1])
    assert socket.recovered
    await socket.expect("chat:message", message="missed")


async def test_a_client_may_disconnect_again_before_it_received_anything(shop: Shop) -> None:
    key = await shop.stream()
    talker, socket = await shop.chatter(key), await shop.chatter(key)
    for number in range(4):
        await say(talker, key, f"{number}")
        await socket.drop()
        await socket.reconnect(url=shop.urls[number % 2])
        assert socket.recovered
    await say(talker, key, "end")
    await socket.expect("chat:message", lambda published: published["data"]["message"] == "end")
    assert texts(socket.take("chat:message")) == ["0", "1", "2", "3"]


async def test_a_recovery_during_traffic_delivers_every_message_once(shop: Shop) -> None:
    key = await shop.stream()
    talkers = [await shop.chatter(key, node=number % 2) for number in range(6)]
    sockets = [await shop.chatter(key, node=number % 2) for number in range(4)]

    async def hop(socket: ClientSocket) -> None:
        for number in range(5):
            await socket.drop()
            await socket.reconnect(url=shop.urls[number % 2])
            assert socket.recovered
            await asyncio.sleep(0.02)  # a moment of traffic between two losses

    talking = asyncio.gather(*(say(talker, key, *map(str, range(18))) for talker in talkers))
    await asyncio.gather(*map(hop, sockets))
    await talking
    for socket in sockets:
        received = await socket.expect_all("chat:message", 6 * 18)
        assert [message["data"]["seq"] for message in received] == list(range(1, 6 * 18 + 1))


async def test_products_and_viewers_are_restored(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    shopper, viewer = await shop.connect(ann, "/"), await shop.viewer(key, as_=ann)
    await shopper.call("join:stream", {"streamId": key})
    product = await shop.product(key, stock=5)
    await shopper.expect("live:product:added")
    for socket in (shopper, viewer):
        await socket.drop()
    assert await shop.take_one(product)
    for socket in (shopper, viewer):
        await socket.reconnect(url=shop.urls[1])
        assert socket.recovered
    assert (await shopper.expect("live:product:updated"))["data"]["stock"] == 4
    assert (await viewer.call("stream:viewer:join", {"streamKey": key}))["viewerCount"] == 1
    another = await shop.viewer(key, node=0)
    await viewer.expect("stream:viewer:update", viewerCount=2)
    await another.disconnect()
    await shop.stream()  # `upcoming:updated` to every socket on `/`
    await shopper.expect("upcoming:updated")


async def test_a_client_that_left_is_not_recovered(shop: Shop) -> None:
    key = await shop.stream()
    socket = await shop.chatter(key)
    was = socket.id
    await socket.disconnect()
    await socket.reconnect()
    assert not socket.recovered
    assert socket.id != was
    await socket.expect("connection:success")
    assert (await socket.fail("chat:send-message", {"liveId": key, "message": "x"}))["code"] == "NOT_IN_ROOM"


async def test_a_socket_is_recovered_once_and_only_by_its_user(shop: Shop) -> None:
    key = await shop.stream()
    ann, bob = await shop.person(), await shop.person()
    socket = await shop.chatter(key, as_=ann)
    await socket.drop()
    thief = await shop.client.connect(shop.urls[1], "/chat", auth={"token": bob.token, "pid": socket.pid})
    assert thief.id != socket.id
    assert (await thief.fail("chat:send-message", {"liveId": key, "message": "x"}))["code"] == "NOT_IN_ROOM"
    for pid in ("", "x" * 24, 7, None, {"a": 1}, "x" * 5000):
        odd = await shop.client.connect(shop.urls[0], "/chat", auth={"token": ann.token, "pid": pid, "offset": pid})
        assert (await odd.fail("chat:send-message", {"liveId": key, "message": "x"}))["code"] == "NOT_IN_ROOM"


@pytest.mark.parametrize("seq", ["0", "999999999999999999", "9" * 40, "-1", "x"])
async def test_an_impossible_offset(shop: Shop, seq: str) -> None:
    """From too early: what the session knows counts. From the future: not recovered. No number: as without one."""
    key = await shop.stream()
    ann = await shop.person()
    socket = await shop.chatter(key, as_=ann)
    cursor = (await socket.call("chat:join-room", {"liveId": key}))["cursor"]
    await say(socket, key, "one")
    offset = f"live:{key}@{cursor['epoch'][:8]}"
    await until(lambda: any(received.offset == f"{offset}.1" for received in socket.mailbox))
    await socket.drop()
    again = await shop.client.connect(
        shop.urls[0], "/chat", auth={"token": ann.token, "pid": socket.pid, "offset": f"{offset}.{seq}"}
    )
    assert (again.id == socket.id) is (seq != "999999999999999999")
    if again.id == socket.id:
        await again.expect("chat:message", message="one")


async def test_kicked_or_revoked_sockets_are_not_recovered(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    token = await shop.login(ann)
    cut, kicked = [await shop.client.connect(shop.urls[0], "/chat", token=token) for _ in range(2)]
    for socket in (cut, kicked):
        await socket.call("chat:join-room", {"liveId": key})
    await cut.drop()
    await shop.request("POST", "/auth/logout-all", token=token, node=1, status={200, 204})
    await kicked.ended()
    with pytest.raises(RefusedError, match="revoked"):
        await cut.reconnect()
    fresh = await shop.login(ann)
    await kicked.reconnect({"token": fresh})
    assert not kicked.recovered


async def test_recovery_is_refused_when_too_much_was_missed(shop: Shop) -> None:
    """More than 300 events: 16 people with 20 messages each."""
    key = await shop.stream()
    socket = await shop.chatter(key)
    cursor = (await socket.call("chat:join-room", {"liveId": key}))["cursor"]
    await socket.drop()
    talkers = await asyncio.gather(*(shop.chatter(key, node=number % 2) for number in range(16)))
    await asyncio.gather(*(say(talker, key, *map(str, range(20))) for talker in talkers))
    await socket.reconnect()
    assert not socket.recovered
    joined = await socket.call("chat:join-room", {"liveId": key, "since": cursor})
    assert (joined["recovered"], len(joined["history"])) == (False, 100)


async def test_recovery_is_refused_after_the_window(
    client: Client, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    """The window is a session's lifetime in Redis, which begins when the connection is lost."""
    window = 60_000  # ms
    async with open_shop(client, tmp_path, database_url, redis_url, RECOVERY_WINDOW=f"{window}ms") as shop:
        key = await shop.stream()
        early, late = await shop.chatter(key), await shop.chatter(key)
        async with redis.asyncio.Redis.from_url(redis_url) as store:
            sessions = [socket_session(str(socket.pid)) for socket in (early, late)]

            async def kept() -> bool:
                return all([await store.pttl(session) > window for session in sessions])

            async def ending() -> bool:
                return all([0 < await store.pttl(session) <= window for session in sessions])

            await until(kept, what="sessions of connected sockets")
            for socket in (early, late):
                await socket.drop()
            await until(ending, what="sessions that end with the window")
            await store.pexpire(sessions[1], 1)
            await until(lambda: gone(store, sessions[1]), what="the end of the window")
        await early.reconnect()
        await late.reconnect()
        assert (early.recovered, late.recovered) == (True, False)


async def gone(store: redis.asyncio.Redis, name: str) -> bool:
    """Return whether a key does not exist."""
    return not await store.exists(name)


async def test_recovery_after_a_node_was_killed_or_stopped(
    client: Client, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with open_shop(client, tmp_path, database_url, redis_url) as shop:
        key = await shop.stream()
        talker = await shop.chatter(key, node=1)
        viewer, socket = await shop.viewer(key), await shop.chatter(key)
        was = socket.id
        await say(talker, key, "seen")
        await socket.expect("chat:message", message="seen")
        await shop.nodes[0].kill()
        await socket.ended()
        await viewer.ended()
        await say(talker, key, "missed 1", "missed 2")
        for back in (socket, viewer):
            await back.reconnect(url=shop.urls[1])
            assert back.recovered
        assert socket.id == was
        assert texts(await socket.expect_all("chat:message", 2)) == ["missed 1", "missed 2"]
        await shop.settles(key, members=2, node=1)

        await shop.nodes[0].start()
        stopping = asyncio.create_task(shop.nodes[1].stop())
        await socket.ended(within=10)
        await stopping
        await socket.reconnect(url=shop.nodes[0].url)
        assert (socket.recovered, socket.id) == (True, was)
        await say(socket, key, "still here")
        assert texts(await socket.expect_all("chat:message", 1)) == ["still here"]


async def test_recovery_after_redis_lost_its_data(
    client: Client, tmp_path: Path, database_url: str, own_redis: RedisProcess
) -> None:
    """No session is left, and nobody is refused for that."""
    async with open_shop(client, tmp_path, database_url, own_redis.url) as shop:
        key = await shop.stream()
        talker, socket = await shop.chatter(key, node=1), await shop.chatter(key)
        cursor = (await socket.call("chat:join-room", {"liveId": key}))["cursor"]
        await socket.drop()
        connection = redis.asyncio.Redis.from_url(own_redis.url, decode_responses=True)
        async with time_limit(5):
            while await connection.pttl(socket_session(str(socket.pid))) > 120_000:  # noqa: ASYNC110  no bell for it
                await asyncio.sleep(0.01)
        await connection.flushall()
        await connection.aclose()
        await say(talker, key, "missed")
        await socket.reconnect()
        assert not socket.recovered
        joined = await socket.call("chat:join-room", {"liveId": key, "since": cursor})
        assert [event["payload"]["data"]["message"] for event in joined["events"]] == ["missed"]


async def test_a_recovered_viewer_is_told_the_present_count(shop: Shop) -> None:
    key, ann = await shop.stream(), await shop.person()
    lost, stays = [await shop.viewer(key, as_=ann) for _ in range(2)]
    await lost.drop()
    await shop.viewer(key, node=1)
    await stays.expect("stream:viewer:update", viewerCount=2)
    await lost.reconnect(url=shop.urls[1])  # of the same person: the count does not change
    assert lost.recovered
    await lost.expect("stream:viewer:update", viewerCount=2)
