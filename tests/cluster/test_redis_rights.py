"""The rights that `docs/operations.md` gives a user of Redis suffice for a node, and are no more than they say."""

import re
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from gateway.dev.servers import RedisProcess
from tests.client.client import Client
from tests.cluster.shop import open_shop

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
PASSWORD = "a-long-password"


def documented() -> list[str]:
    """Return the rules of the user in the form of ACL SETUSER."""
    found = re.search(r"^```acl\nuser dorami (.*?)```$", OPERATIONS.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1].split()


async def test_a_node_needs_no_more_rights_than_are_documented(
    own_redis: RedisProcess, client: Client, database_url: str, tmp_path: Path
) -> None:
    administrator: Any = redis.asyncio.Redis.from_url(own_redis.url)
    await administrator.execute_command("ACL", "SETUSER", "dorami", *documented())
    path = own_redis.url.removeprefix("unix://")
    url = f"unix://dorami:{PASSWORD}@{path}"
    async with open_shop(client, tmp_path, database_url, url, each=({}, {})) as shop:
        key = await shop.stream()
        talker, listener = await shop.chatter(key), await shop.chatter(key, node=1)
        await talker.call("chat:send-message", {"liveId": key, "message": "x"})
        await listener.expect("chat:message")
        await shop.viewer(key)
        await shop.viewer(key, node=1)
        product = await shop.product(key)
        buyer = await shop.person()
        await shop.change(product, price=12)
        await shop.request("GET", f"/products?streamKey={key}", token=buyer.token, status={200})
        await shop.request("GET", "/streams/active", status={200})
        session = await shop.request("POST", "/auth/guest", body={}, status={200, 201})
        await shop.request("POST", "/auth/refresh", body={"refreshToken": session["refreshToken"]}, status={200})
        await shop.login(buyer)
        administration = await shop.person("ADMIN")
        path = f"/users/{buyer.id}/suspend"
        await shop.request("POST", path, body={"reason": "a test"}, token=administration.token, status={200, 204, 404})
        client.forget_all()
        for node in shop.nodes:
            assert await node.stop() == 0
            assert "NOPERM" not in node.logs
    assert await administrator.execute_command("ACL", "LOG") == []

    limited: Any = redis.asyncio.Redis.from_url(url)
    for forbidden in (
        ("GET", "other"),
        ("PUBLISH", "other", "x"),
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("CONFIG", "SET", "a", "b"),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            await limited.execute_command(*forbidden)
    await limited.aclose()
    await administrator.aclose()
