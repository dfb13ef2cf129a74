"""What the official client gets back after its connection, its node or Redis was away: everything, once, in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import redis.asyncio

from gateway.devstack import Redis
from tests.client.client import Client
from tests.client.socket import ClientSocket
from tests.cluster.shop import Shop, open_shop

Sent = list[dict[str, Any]]


@asynccontextmanager
async def talking(shop: Shop, key: str) -> AsyncIterator[Sent]:
    """Somebody on each node talks, thirty messages a second each, while the block runs. The acks of all of it."""
    acked: Sent = []
    stop = asyncio.Event()

    async def talk(node: int) -> None:
        talker = await shop.chatter(key, node=node)
        number = 0
        while not stop.is_set():
            number += 1
            ack = await talker.ask("chat:send-message", {"liveId": key, "message": f"{node}:{number}"})
            if ack["ok"]:
                acked.append(ack["data"])
            await asyncio.sleep(0.03)

    tasks = [asyncio.create_task(talk(node)) for node in (0, 1)]
    yield acked
    stop.set()
    await asyncio.gather(*tasks)


async def heard_all(sockets: list[ClientSocket], acked: Sent) -> None:
    """Every client heard every message that was acked, once, in the order of their places."""
    expected = sorted(ack["seq"] for ack in acked)
    assert expected == list(range(expected[0], expected[0] + len(expected)))
    for socket in sockets:
        heard = await socket.expect_all("chat:message", len(expected))
        assert [message["data"]["seq"] for message in heard] == expected


# --- Redis ------------------------------------------------------------------------------------------------------------


async def test_redis_restarted_and_cut_under_traffic_loses_nobody_a_message(
    client: Client, tmp_path: Path, database_url: str, own_redis: Redis
) -> None:
    async with open_shop(client, tmp_path, database_url, own_redis.url, CHAT_RATE_LIMIT="1000/second") as shop:
        key = await shop.stream()
        listeners = [await shop.chatter(key, node=node) for node in (0, 1, 0, 1)]
        async with talking(shop, key) as acked:
            await asyncio.sleep(0.3)
            own_redis.kill()
            await asyncio.sleep(0.7)
            own_redis.start()
            await asyncio.sleep(0.7)
            killer = redis.asyncio.Redis.from_url(own_redis.url)
            for kind in ("pubsub", "pubsub", "normal"):
                await killer.client_kill_filter(_type=kind, skipme=True)
                await asyncio.sleep(0.2)
            await killer.aclose()
        assert len(acked) > 40
        await heard_all(listeners, acked)
        assert not [line for node in (0, 1) for line in shop.nodes[node].logs.splitlines() if "Traceback" in line]


async def test_what_a_killed_node_had_stored_is_heard_by_those_on_the_other(
    client: Client, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with open_shop(client, tmp_path, database_url, redis_url, CHAT_RATE_LIMIT="1000/second") as shop:
        key = await shop.stream()
        listener = await shop.chatter(key, node=1)
        dying = await shop.chatter(key)
        for number in range(200):
            dying.emit("chat:send-message", {"liveId": key, "message": f"{number}"})
        await listener.expect("chat:message")
        await shop.nodes[0].kill()
        fence = await (await shop.chatter(key, node=1)).call("chat:send-message", {"liveId": key, "message": "fence"})
        await listener.expect("chat:message", lambda told: told["data"]["seq"] == fence["seq"])
        heard = [message["data"]["seq"] for message in listener.take("chat:message")]
        assert heard == list(range(2, fence["seq"]))
