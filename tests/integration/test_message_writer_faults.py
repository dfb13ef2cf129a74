"""Batches of messages while senders are cancelled, PostgreSQL dies or hangs, and the node ends."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest

from gateway.dev.servers import PostgresProcess
from gateway.errors import GatewayError, Unavailable
from gateway.postgres import migrations
from gateway.postgres.errors import AWAY
from gateway.protocol.payloads.chat import Sent
from gateway.redis.client import RedisClient
from gateway.services.chat import chat
from models.main.message import Message
from tests.integration.chat_nodes import KEYS, ChatNodes, texts
from tests.support import make_settings
from tests.timing import scaled, turns, until

TIMEOUT = scaled(1.2)  # s that a statement may take on a node with short limits
LONG = 45.0  # s that a statement may take where a test shows that senders do not wait for the time limit


@pytest.fixture
async def cluster(database_url: str, redis: RedisClient, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ChatNodes]:
    monkeypatch.setattr(chat, "LANES", 1)
    cluster = ChatNodes(database_url, redis)
    await cluster.open()
    yield cluster
    await cluster.close()


# --- cancelling -----------------------------------------------------------------------------------------------------


async def test_cancelled_senders_lose_no_other_message(cluster: ChatNodes) -> None:
    dice = random.Random(20261121)
    kept, cancelled = set(), set()
    for storm in range(10):
        tasks = {
            name: asyncio.create_task(cluster.send(n, name, name, node=n % 2))
            for n in range(20)
            for name in [f"{storm}:{n}"]
        }
        for _ in range(dice.randrange(12)):
            await asyncio.sleep(0)
        await asyncio.sleep(dice.choice((0, 0, 0.001, 0.002)))  # cancel in any state of the batches
        for name in dice.sample(sorted(tasks), 10):
            if tasks[name].cancel():
                cancelled.add(name)
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        kept |= {name for name, task in tasks.items() if not task.cancelled()}
        assert all(not task.exception() for task in tasks.values() if not task.cancelled())
    for node in cluster.nodes:
        await node.close()  # afterwards a cancelled message is stored and published, or never will be
    stored = set(texts(await cluster.holds_together()))
    assert kept <= stored
    assert stored <= kept | cancelled
    assert cancelled


# --- faults ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def impatient(database_url: str, redis: RedisClient, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ChatNodes]:
    """Return nodes with a short time limit."""
    monkeypatch.setattr(chat, "LANES", 1)
    cluster = ChatNodes(database_url, redis, database_timeout=timedelta(seconds=TIMEOUT))
    await cluster.open()
    yield cluster
    await cluster.close()


async def test_a_locked_room_times_out_for_all_senders(impatient: ChatNodes) -> None:
    async with impatient.held():
        sends = [asyncio.create_task(impatient.send(0, "x"))]
        await impatient.stuck()
        sends += [asyncio.create_task(impatient.send(n, "x", key=KEYS[n % 3])) for n in range(20)]
        results = await asyncio.gather(*sends, return_exceptions=True)
        assert impatient.failed_batches == 1, "waiting senders fail with the first batch, not one batch later"
        await impatient.stuck(0)  # the server has cancelled the statement, too
    assert [type(result) for result in results] == [Unavailable] * 21
    assert await Message.all().count() == 0
    assert (await impatient.send(1, "again")).seq == 1
    await impatient.holds_together()


@pytest.fixture
async def crowded(database_url: str, redis: RedisClient, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ChatNodes]:
    """Return nodes with a short queue and a long time limit."""
    monkeypatch.setattr(chat, "LANES", 1)
    monkeypatch.setattr(chat, "WAITING", 25)
    cluster = ChatNodes(database_url, redis, database_timeout=timedelta(seconds=LONG))
    await cluster.open()
    yield cluster
    await cluster.close()


async def test_too_many_waiting_messages_are_refused(crowded: ChatNodes) -> None:
    async with crowded.held():
        tasks = [asyncio.create_task(crowded.send(n % 20, "x")) for n in range(27)]
        await crowded.stuck()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Sent] * 25 + [Unavailable] * 2
    assert isinstance(results[-1], Unavailable)
    assert (results[-1].retryable, results[-1].retry_after_ms) == (True, 1000)
    assert len(await crowded.holds_together()) == 25


@pytest.fixture
async def fragile(
    own_postgres: PostgresProcess, redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ChatNodes]:
    """Return nodes on a PostgreSQL of this test's own, with a long time limit."""
    monkeypatch.setattr(chat, "LANES", 1)
    limit = timedelta(seconds=LONG)
    cluster = ChatNodes(own_postgres.url, redis, database_pool_size=3, database_timeout=limit)
    await migrations.migrate(make_settings(database_url=own_postgres.url))
    await cluster.open()
    yield cluster
    await cluster.close()


async def test_server_killed_during_a_batch(fragile: ChatNodes, own_postgres: PostgresProcess) -> None:
    with suppress(*AWAY):  # the connection that holds the lock is lost, too
        async with fragile.held():
            sends = [asyncio.create_task(fragile.send(n % 20, f"{n}", f"{n}")) for n in range(20)]
            await fragile.stuck()
            sends += [asyncio.create_task(fragile.send(n % 20, f"{n}", f"{n}")) for n in range(20, 40)]
            await turns()
            begun = time.monotonic()
            own_postgres.kill()
            results = await asyncio.gather(*sends, return_exceptions=True)
            assert time.monotonic() - begun < LONG / 2, "senders waited for the time limit"
    assert [type(result) for result in results] == [Unavailable] * 40
    assert all(isinstance(result, GatewayError) and result.retryable for result in results)
    await asyncio.to_thread(own_postgres.start)
    assert await fragile.database.ping()
    assert await fragile.holds_together() == []
    for n in range(40):
        assert not (await fragile.send(n % 20, f"{n}", f"{n}")).duplicate
    assert len(await fragile.holds_together()) == 40


async def test_acked_messages_survive_a_kill_and_retries_are_stored_once(
    fragile: ChatNodes, own_postgres: PostgresProcess
) -> None:
    acked: dict[str, Sent] = {}
    failed: list[tuple[int, str]] = []

    async def send_messages(who: int) -> None:
        for count in range(1000):
            name = f"{who}:{count}"
            try:
                acked[name] = await fragile.send(who, name, name, node=who % 2)
            except Unavailable:
                failed.append((who, name))
                return

    talking = asyncio.gather(*(send_messages(who) for who in range(20)))
    await until(lambda: len(acked) >= 100)
    own_postgres.kill()
    await talking
    assert len(failed) == 20
    assert acked
    await asyncio.to_thread(own_postgres.start)
    assert await fragile.database.ping()
    stored = {message.client_message_id: message for message in await Message.all()}
    assert {name: (str(stored[name].id), stored[name].seq) for name in acked} == {
        name: (sent.id, sent.seq) for name, sent in acked.items()
    }
    for who, name in failed:
        assert (await fragile.send(who, name, name)).duplicate == (name in stored)
    messages = await Message.all().order_by("seq")
    assert [message.seq for message in messages] == list(range(1, len(acked) + 21))


# --- the end ---------------------------------------------------------------------------------------------------------


async def test_closing_stores_and_publishes_accepted_messages(cluster: ChatNodes) -> None:
    async with cluster.held():
        tasks = [asyncio.create_task(cluster.send(0, "0"))]
        await cluster.stuck()
        tasks += [asyncio.create_task(cluster.send(n, f"{n}")) for n in range(1, 10)]
        await turns()
        closing = asyncio.create_task(cluster.chat.close())
        await turns()
        with pytest.raises(Unavailable):
            await cluster.send(1, "too late")
        assert not closing.done()
    await closing
    assert texts(await cluster.holds_together()) == [f"{n}" for n in range(10)]
    assert [answer.seq for answer in await asyncio.gather(*tasks)] == list(range(1, 11))
