"""What clients see when a node stops, a node is killed, or Redis goes away. Each test breaks servers of its own."""

import asyncio
import time
from pathlib import Path

from gateway.dev.servers import RedisProcess
from tests.client.client import TRANSPORTS, Client
from tests.client.socket import ClientSocket
from tests.cluster.shop import open_shop
from tests.timing import allowed, time_limit


async def told_to_go(socket: ClientSocket) -> None:
    """Check that the node sends `server:shutdown` and then closes the connection."""
    published = await socket.expect("server:shutdown")
    assert set(published) == {"code", "reconnect", "retryAfterMs"}
    assert (published["code"], published["reconnect"]) == ("SERVICE_UNAVAILABLE", True)
    assert 0 < published["retryAfterMs"] <= 5_000
    assert await socket.ended() in {"io server disconnect", "transport close", "transport error"}
    await socket.expect_life("closed")


async def test_a_stopping_node_warns_clients_and_cleans_up(
    client: Client, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with open_shop(client, tmp_path, database_url, redis_url) as shop:
        key = await shop.stream()
        stays = await shop.chatter(key, node=1)
        watches = await shop.viewer(key, node=1)
        chatters = [await shop.chatter(key, transport=transport) for transport in TRANSPORTS]
        leavers = [*chatters, *[await shop.viewer(key, transport=transport) for transport in TRANSPORTS]]
        leavers += [await shop.connect(await shop.person(), "/")]
        await watches.expect("stream:viewer:update", viewerCount=4)
        watches.take("stream:viewer:update")
        ask = {"liveId": key, "message": "in flight"}
        asked = asyncio.gather(*(socket.ask("chat:send-message", ask) for socket in chatters))
        await asyncio.gather(*(socket.expect("chat:message") for socket in chatters))

        begun = time.monotonic()
        stopping = asyncio.create_task(shop.nodes[0].stop())
        await asyncio.gather(*(told_to_go(socket) for socket in leavers))
        assert await stopping == 0
        assert time.monotonic() - begun < allowed(10)
        assert shop.complaints(0) == []

        assert all(ack["ok"] for ack in await asked)
        await stays.expect_all("chat:message", 3)
        await stays.expect_all("chat:user-left", 3)
        await watches.expect("stream:viewer:update", viewerCount=1)
        stays.refute("server:shutdown")
        joined = await stays.call("chat:join-room", {"liveId": key})
        assert (joined["members"], len(joined["history"])) == (1, 3)


async def test_clients_of_a_killed_node_reconnect(
    client: Client, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with open_shop(client, tmp_path, database_url, redis_url) as shop:
        key = await shop.stream()
        ann = await shop.person()
        talker, watches = await shop.chatter(key, node=1), await shop.viewer(key, node=1)
        for _ in range(3):
            await shop.viewer(key)
        for node in (0, 1):  # in two places, so that she goes on watching
            await shop.viewer(key, as_=ann, node=node)
        dying = await shop.chatter(key)
        await watches.expect("stream:viewer:update", viewerCount=5)
        watches.take("stream:viewer:update")
        sent = await dying.call("chat:send-message", {"liveId": key, "message": "last words"})

        await shop.nodes[0].kill()
        assert await dying.ended() in {"transport close", "transport error"}
        await talker.expect("chat:message", id=sent["id"])
        # The others go on at once.
        again = await talker.call("chat:send-message", {"liveId": key, "message": "life goes on"})
        await talker.expect("chat:message", id=again["id"])
        # The people of the dead node are gone soon, and nobody else.
        await watches.expect("stream:viewer:update", within=15, viewerCount=2)
        assert (await watches.call("stream:viewer:join", {"streamKey": key}))["viewerCount"] == 2
        assert (await talker.expect("chat:room-state"))["data"]["members"] == 1
        await shop.settles(key, members=1, node=1)
        assert shop.complaints(1) == []


async def test_redis_outage(client: Client, tmp_path: Path, database_url: str, own_redis: RedisProcess) -> None:
    async with open_shop(client, tmp_path, database_url, own_redis.url) as shop:
        key = await shop.stream()
        here, there = [await shop.chatter(key, node=node) for node in (0, 1)]
        cursor = (await there.call("chat:join-room", {"liveId": key}))["cursor"]
        ann = await shop.person()

        own_redis.kill()
        # A node's own room goes on. Who comes now is let in (PostgreSQL knows what is revoked) or comes back by itself.
        sent = await here.call("chat:send-message", {"liveId": key, "message": "while it is away"})
        await here.expect("chat:message", id=sent["id"])
        late = shop.client.open(shop.urls[0], "/chat", token=ann.token, reconnection=True)

        own_redis.start()
        # Everything flows again by itself, both ways, and what was missed is in the log.
        for talker, listener in ((here, there), (there, here)):
            async with time_limit(5):
                received = False
                while not received:
                    sent = await talker.call("chat:send-message", {"liveId": key, "message": "is anybody there?"})
                    try:
                        await listener.expect("chat:message", within=0.5, id=sent["id"])
                        received = True
                    except AssertionError:
                        continue
        joined = await there.call("chat:join-room", {"liveId": key, "since": cursor})
        assert joined["recovered"] is True
        await late.expect_life("connect", within=10)
        assert "while it is away" in [event["payload"]["data"].get("message") for event in joined["events"]]
        await shop.chatter(key, as_=ann, node=1)
        assert not [line for node in (0, 1) for line in shop.nodes[node].logs.splitlines() if "Traceback" in line]
