"""Settings whose values reach only one service each: a node started with other values than the defaults obeys them."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.client.client import Client
from tests.cluster.shop import Shop, open_shop

TTL = timedelta(minutes=7)
OTHERS: dict[str, Any] = {"ORDER_TTL": "7m", "STREAM_REOPEN": "1ms", "BAN_MATCHES_NETWORK": "true"}


@pytest.fixture
async def other(client: Client, database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """Return one node with other values."""
    async with open_shop(client, tmp_path, database_url, redis_url, size=1, **OTHERS) as shop:
        yield shop


async def test_a_node_obeys_order_ttl_stream_reopen_and_ban_matches_network(other: Shop) -> None:
    key = await other.stream()
    order = await other.buy(await other.person(), await other.product(key))
    created, expires = (datetime.fromisoformat(order[name]) for name in ("createdAt", "expiresAt"))
    assert expires - created == TTL

    owner = (await other.owner()).token
    for action, status in (("start", 200), ("stop", 200), ("start", 409)):
        answer = await other.request("POST", f"/streams/{key}/{action}", token=owner, status={status})
    assert answer["errorCode"] == "CONFLICT"

    room = await other.stream()
    admin = await other.chatter(room, as_=await other.person("ADMIN"))
    await admin.call("chat:allow-guests", {"liveId": room, "allowed": True})
    browser = {"User-Agent": f"a browser {secrets.token_hex(8)}"}

    async def enter(device: str) -> Any:
        return await other.request("POST", "/auth/guest", body={"deviceId": device}, headers=browser, status={200})

    async def rights(guest: Any) -> Any:
        socket = await other.client.connect(other.urls[0], "/chat", token=guest["accessToken"])
        return (await socket.call("chat:join-room", {"liveId": room}))["you"]

    guest = await enter("the-device-of-a-banned-guest")
    assert (await rights(guest))["canSend"]
    await admin.call("chat:ban-user", {"userId": guest["user"]["id"]})
    neighbour = await rights(await enter("another-device-of-the-same-network"))
    assert not neighbour["canSend"]
    muted_until = datetime.fromisoformat(neighbour["mutedUntil"])
    assert muted_until < datetime.now(UTC) + timedelta(hours=1, minutes=1)
