"""Nodes whose clocks are wrong: what they date holds everywhere, what they revoke ends at once, and they say so."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.client.client import Client
from tests.client.raw import RawSocket, raw_websocket
from tests.cluster.shop import PASSWORD, Shop, open_shop
from tests.programs import program
from tests.support import Keyspaces
from tests.timing import allowed

SOON = 1.0  # s in which a revocation has ended all sockets


def faketime() -> str:
    """Return the library that shifts the clock of a process; what the program `faketime` preloads."""
    program("faketime")
    return str(next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")))


@asynccontextmanager
async def open_skewed(
    client: Client, folder: Path, database_url: str, redis_url: str, *seconds: int
) -> AsyncIterator[Shop]:
    """Nodes whose clocks are so many seconds ahead."""
    library = faketime()
    each = [{"LD_PRELOAD": library, "FAKETIME": f"{ahead:+d}s"} if ahead else {} for ahead in seconds]
    async with open_shop(client, folder, database_url, redis_url, each=each) as shop:
        yield shop


async def arrive(stack: AsyncExitStack, shop: Shop, token: str) -> list[RawSocket]:
    """Return a websocket on each node."""
    return [await (await stack.enter_async_context(raw_websocket(url))).join("/chat", token) for url in shop.urls]


async def gone(sockets: list[RawSocket], since: float) -> None:
    """Check that all sockets get `auth:revoked` and are closed, soon."""
    await asyncio.gather(*(raw.closed(within=allowed(10.0)) for raw in sockets))
    assert time.monotonic() - since < allowed(SOON)
    assert all(any('"auth:revoked"' in packet for packet in raw.received) for raw in sockets)


async def readiness(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/api/v1/health/ready") as response:
        return response.status, (await response.json())["info"]["clock"]["status"]


@pytest.mark.parametrize("skew", [5, 600])
async def test_nodes_with_wrong_clocks(
    skew: int, client: Client, tmp_path: Path, database_url: str, keyspaces: Keyspaces
) -> None:
    nodes = range(3)
    async with (
        open_skewed(client, tmp_path, database_url, keyspaces.fresh(), 0, skew, -skew) as shop,
        AsyncExitStack() as stack,
    ):
        admin = await shop.person("ADMIN")
        for at, by in ((0, 1), (1, 2), (2, 0), (2, 1)):  # who lets in, and who shuts out
            ann = await shop.person()
            user = f"/users/{ann.id}"
            for method, path, body, status in (
                ("POST", "/auth/logout-all", None, 204),
                ("POST", f"{user}/suspend", {}, 200),
            ):
                login = {"email": ann.email, "password": PASSWORD}
                session = await shop.request("POST", "/auth/login", body=login, node=at, status={200})
                token = session["accessToken"]
                for node in nodes:
                    await shop.request("GET", "/auth/me", token=token, node=node, status={200})
                sockets = await arrive(stack, shop, token)
                since = time.monotonic()
                caller = admin.token if user in path else token
                await shop.request(method, path, body=body, token=caller, node=by, status={status})
                await gone(sockets, since)

        assert [await readiness(url) for url in shop.urls] == [(200, "up"), (503, "down"), (503, "down")]
        assert "the clock of this machine is wrong" in shop.nodes[1].logs
        assert "the clock of this machine is wrong" not in shop.nodes[0].logs


@pytest.mark.parametrize("skew", [5, 600])
async def test_messages_are_dated_and_cleared_by_the_clock_of_the_database(
    skew: int, client: Client, tmp_path: Path, database_url: str, keyspaces: Keyspaces
) -> None:
    nodes = range(3)
    async with open_skewed(client, tmp_path, database_url, keyspaces.fresh(), 0, skew, -skew) as shop:
        key, database = await shop.stream(), await asyncpg.connect(database_url)
        admin = await shop.person("ADMIN")
        members = [await shop.chatter(key, as_=admin, node=node) for node in nodes]
        try:
            for number, member in enumerate(members * 2):
                before = await database.fetchval("SELECT clock_timestamp()")
                sent = await member.call("chat:send-message", {"liveId": key, "message": f"m{number}"})
                after = await database.fetchval("SELECT clock_timestamp()")
                moment = datetime.fromisoformat(sent["timestamp"])
                assert before - timedelta(seconds=0.1) <= moment <= after + timedelta(seconds=0.1)
            await database.execute("UPDATE messages SET created_at = created_at - interval '5 minutes'")
        finally:
            await database.close()
        await members[0].call("chat:send-message", {"liveId": key, "message": "late"})
        for member in members:
            ask = {"liveId": key, "dryRun": True}
            assert (await member.call("chat:clear", ask | {"lastSeconds": 600}))["deleted"] == 7
            assert (await member.call("chat:clear", ask | {"lastSeconds": 120}))["deleted"] == 1
