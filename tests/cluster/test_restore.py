"""A backup that is made while people talk, and what they meet after it was restored. With real nodes and clients."""

import asyncio
from pathlib import Path

import asyncpg

from gateway.settings import DEVELOPMENT_SECRET
from tests.client.client import Client
from tests.cluster.shop import Shop, open_shop
from tests.integration.data.terminal import dorami
from tests.support import Databases
from tests.timing import until


async def run(url: str, redis_url: str, folder: Path, *arguments: str) -> str:
    """Run `dorami backup` in another process, since it configures logging; return its output."""
    environment = {
        "APP_ENV": "development",
        "RDS_MAIN_URL": url,
        "REDIS_URL": redis_url,
        "JWT_SECRET": DEVELOPMENT_SECRET,
        "BACKUP_FOLDER": str(folder),
    }
    said = await dorami(*arguments, environment=environment, group="backup")
    assert said.code in (0, 3), said
    return said.out + said.err


async def talk(shop: Shop, key: str, sent: list[int], stop: asyncio.Event) -> None:
    socket = await shop.chatter(key)
    while not stop.is_set():
        sent.append((await socket.call("chat:send-message", {"liveId": key, "message": f"{len(sent)}"}))["seq"])


async def test_after_a_restore_old_places_are_no_places_and_nobody_who_left_is_back(
    client: Client, tmp_path: Path, database_url: str, redis_url: str, databases: Databases
) -> None:
    folder, sent, stop = tmp_path / "backups", list[int](), asyncio.Event()
    rate = "1000/second"
    async with open_shop(client, tmp_path, database_url, redis_url, size=1, CHAT_RATE_LIMIT=rate) as shop:
        key = await shop.stream()
        ann, bob = await shop.person(), await shop.person()
        left, stays = await shop.login(ann), await shop.login(bob)
        talking = asyncio.create_task(talk(shop, key, sent, stop))
        await until(lambda: len(sent) >= 20)
        await run(database_url, redis_url, folder, "create")
        at_most = sent[-1]
        await until(lambda: sent[-1] >= at_most + 20)
        stop.set()
        await talking
        await shop.request("POST", "/auth/logout", token=left, status={204})
        reader = await shop.connect(bob, "/chat")
        cursor = (await reader.call("chat:join-room", {"liveId": key}))["cursor"]
        assert cursor["seq"] == sent[-1]

    plan = await run(database_url, redis_url, folder, "restore", "latest")
    assert "more than the backup has now: " in plan
    consent = plan.rpartition("--consent ")[2].split()[0]
    said = await run(database_url, redis_url, folder, "restore", "latest", "--consent", consent)
    former = said.partition("the former database is ")[2].split()[0]
    try:
        async with open_shop(client, tmp_path, database_url, redis_url, size=1, CHAT_RATE_LIMIT=rate) as shop:
            await shop.request("GET", "/users/me", token=left, status={401})
            await shop.request("GET", "/users/me", token=stays, status={200})
            reader = await client.connect(shop.urls[0], "/chat", token=stays)
            joined = await reader.call("chat:join-room", {"liveId": key, "since": cursor})
            assert joined["recovered"] is False
            last = joined["cursor"]["seq"]
            assert 20 <= last <= at_most
            assert [message["seq"] for message in joined["history"]][-1] == last
            writer = await shop.chatter(key)
            ack = await writer.call("chat:send-message", {"liveId": key, "message": "on we go"})
            assert ack["seq"] == last + 1, "the log goes on where the backup ends"
            await reader.expect("chat:message", message="on we go")
            again = await shop.connect(bob, "/chat")
            since = await again.call("chat:join-room", {"liveId": key, "since": joined["cursor"]})
            assert since["recovered"] is True
            assert [event["payload"]["data"]["message"] for event in since["events"]] == ["on we go"]
        # What was kept aside is whole: it has all that was said.
        aside = database_url.replace(database_url.partition("?")[0].rpartition("/")[2], former)
        db = await asyncpg.connect(aside)
        try:
            assert await db.fetchval("SELECT count(*) FROM messages") == len(sent)
        finally:
            await db.close()
    finally:
        await databases.drop(database_url.replace(database_url.partition("?")[0].rpartition("/")[2], former))
