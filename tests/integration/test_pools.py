"""Pools of connections after 120 stalls and cuts at random moments: no slot is lost, in whatever state a call was."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from gateway.dev.servers import PostgresProcess
from gateway.dev.servers import RedisProcess as RedisServer
from gateway.errors import GatewayError
from gateway.instruments import PoolUse
from gateway.keys import chat_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.realtime.socketio.recovery_store import RecoverySession, RecoveryStore, _Entry
from gateway.redis import client as redis_client
from gateway.redis.client import RedisClient
from gateway.redis.pool import LOST
from gateway.security.limits.redis import Charge, RedisLimiter
from gateway.security.sessions.refresh_tokens import RefreshTokens
from gateway.security.tokens.revocations import Revocations
from tests.proxy import Proxy
from tests.support import make_settings
from tests.timing import time_limit, until

FAULTS = 120
SIZE = 4
TIMEOUT = 0.1  # s that a call may take here

Call = Callable[[], Awaitable[Any]]


class Load:
    """Callers that repeat their calls, successful or not; some of them are cancelled during a call."""

    def __init__(self, calls: list[Call], dice: random.Random) -> None:
        self._calls = calls
        self._dice = dice
        self._tasks: list[asyncio.Task[None]] = []
        self.done = 0

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._run(call)) for call in self._calls]
        return self

    async def __aexit__(self, *exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert [how for how in ended if isinstance(how, Exception)] == []

    def beyond(self, count: int) -> bool:
        """Whether more calls than these have succeeded."""
        return self.done > count

    def cancel_some(self) -> None:
        for number, task in enumerate(list(self._tasks)):
            if not task.done() and self._dice.random() < 0.2:
                task.cancel()
                self._tasks.append(asyncio.create_task(self._run(self._calls[number % len(self._calls)])))

    async def _run(self, call: Call) -> None:
        while True:
            with suppress(GatewayError):
                await call()
                self.done += 1
            await asyncio.sleep(self._dice.uniform(0, 0.005))


async def suffer(proxy: Proxy, calls: list[Call], seed: int) -> None:
    """Stall and cut the connections under load. Between two of the faults a call succeeds."""
    dice = random.Random(seed)
    async with Load(calls, dice) as load:
        for number in range(FAULTS):
            done = load.done
            await asyncio.sleep(dice.uniform(0, 0.02))  # faults at random moments
            await until(partial(load.beyond, done), what="a call succeeds")
            if number % 2:
                proxy.cut()
            else:
                proxy.stall()
                await asyncio.sleep(dice.uniform(0.2, 1.3) * TIMEOUT)  # the length of the fault
                if dice.random() < 0.3:
                    proxy.cut()
                proxy.resume()
            load.cancel_some()


async def is_whole(use: Callable[[], PoolUse]) -> None:
    """Wait until all connections of a pool are free."""
    whole = PoolUse(in_use=0, waiting=0, size=SIZE, lost=0)
    await until(lambda: use() == whole, what="a pool without lost connections")


async def test_redis_pool_loses_no_connection(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_client, "PAUSE", 0.0)  # or most of the calls would not be tried
    proxy, metrics = Proxy(own_redis), Metrics()
    url = await proxy.start()
    redis = RedisClient(make_settings(redis_url=url, redis_timeout=f"{TIMEOUT}s", redis_pool_size=SIZE), metrics)
    recovery, limiter = RecoveryStore(redis), RedisLimiter(redis, metrics)
    tokens, revocations = RefreshTokens(redis, timedelta(days=7)), Revocations(redis, timedelta(minutes=15))
    session = RecoverySession("sid", "/chat", "u", {chat_room("demo"): None})

    charge = Charge("k", 10**9, 1_000_000)

    async def login() -> None:
        grant = await tokens.save("u", "device")
        await tokens.rotate(grant.token)
        await tokens.sessions("u")

    calls: list[Call] = [
        lambda: recovery._send({"p": _Entry(1, session, 60.0), "q": _Entry(1, None, 0.0)}),
        lambda: limiter._count([charge] * 2),
        lambda: revocations.revoke_sessions("u", ["s"]),
        login,
        lambda: echo(redis),
    ]
    await suffer(proxy, calls * 3, 20261130)
    await is_whole(redis._pool.use)
    assert metrics.registry.get_sample_value("dorami_redis_pool_in_use", {"pool": "calls"}) == 0
    assert metrics.registry.get_sample_value("dorami_redis_pool_size", {"pool": "calls"}) == SIZE
    await asyncio.gather(*(echo(redis) for _ in range(10 * SIZE)))
    await redis.close()
    await proxy.close()


async def echo(redis: RedisClient) -> None:
    text = secrets.token_hex(8)
    async with redis.guard("test"):
        answer = await redis.client.echo(text)
    assert answer == text, "the answer to another call"


async def test_postgres_pool_loses_no_connection(own_postgres: PostgresProcess) -> None:
    proxy, metrics = Proxy(f"{own_postgres.sockets}/.s.PGSQL.5432"), Metrics()
    await proxy.start()
    url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?sslmode=disable"
    database = Database(
        make_settings(database_url=url, database_timeout=f"{TIMEOUT}s", database_pool_size=SIZE), metrics
    )
    async with time_limit(5):
        await database.open()

    async def query() -> None:
        async with database.guard("test"):
            await database.query("SELECT 1")

    async def change() -> None:
        async with database.guard("test"), database.transaction():
            await database.query("SELECT 1")
            await database.query("SELECT 2")

    async def fail() -> None:
        with suppress(ZeroDivisionError):
            async with database.guard("test"), database.transaction():
                await database.query("SELECT 1")
                raise ZeroDivisionError

    await suffer(proxy, [query, change, fail] * 4, 20261201)
    await is_whole(database._client.use)
    assert metrics.registry.get_sample_value("dorami_database_pool_lost", {"pool": "calls"}) == 0
    await until(database.ping, what="an answer of PostgreSQL")
    await database.close()
    await proxy.close()


async def test_a_lost_slot_is_detected(redis_url: str) -> None:
    metrics = Metrics()
    redis = RedisClient(make_settings(redis_url=redis_url, redis_timeout="5s"), metrics)
    pool = redis._pool
    connection = await pool.get_connection()
    assert pool.use().lost == 0
    pool._since[connection] -= LOST * 5
    assert metrics.registry.get_sample_value("dorami_redis_pool_lost", {"pool": "calls"}) == 1
    await pool.release(connection)
    await pool.release(connection)  # once is enough
    assert pool.use().in_use == 0
    await redis.close()


async def test_a_free_slot_skips_a_cancelled_waiter(redis_url: str) -> None:
    pool = RedisClient(make_settings(redis_url=redis_url, redis_pool_size=2), Metrics())._pool
    first, second = await pool.get_connection(), await pool.get_connection()
    impatient, patient = (asyncio.create_task(pool.get_connection()) for _ in range(2))
    await asyncio.sleep(0)
    await pool.release(first)
    impatient.cancel()  # in the step in which it was given the slot
    await asyncio.gather(impatient, return_exceptions=True)
    assert impatient.cancelled()
    await pool.release(await patient)
    await pool.release(second)
    assert pool.use().in_use == 0
    await pool.aclose()
