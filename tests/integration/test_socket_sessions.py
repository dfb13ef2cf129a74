"""Sessions of sockets in a real Redis: kept soon, claimed once, gone in time, and no trouble while it is away."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from functools import partial

import pytest

from gateway.dev.servers import RedisProcess as RedisServer
from gateway.errors import Unavailable
from gateway.keys import chat_room, socket_session
from gateway.metrics import Metrics
from gateway.realtime.logged import Place
from gateway.realtime.socketio import recovery_store
from gateway.realtime.socketio.recovery_store import RecoverySession, RecoveryStore
from gateway.redis.client import RedisClient
from tests.support import make_settings
from tests.timing import until

SESSION = RecoverySession("s", "/chat", "한", {chat_room("a"): Place("epoch", 7), chat_room("b"): None})


@pytest.fixture
def pid() -> str:
    return secrets.token_hex(12)


@pytest.fixture
async def sessions(redis: RedisClient) -> AsyncIterator[RecoveryStore]:
    sessions = RecoveryStore(redis)
    await sessions.start()
    yield sessions
    await sessions.close()


async def test_a_session_is_claimed_once(sessions: RecoveryStore, redis: RedisClient, pid: str) -> None:
    sessions.keep(pid, SESSION, 60)
    another = RecoveryStore(redis)  # of another node
    assert await sessions.claim("x") is None
    await until(lambda: redis.client.exists(socket_session(pid)), what="the session is stored")
    claims = await asyncio.gather(*(node.claim(pid) for node in (sessions, another) * 3))
    assert [claim for claim in claims if claim is not None] == [SESSION]


async def test_the_last_saved_session_wins(sessions: RecoveryStore, redis: RedisClient, pid: str) -> None:
    sessions.keep(pid, SESSION, 60)
    sessions.drop(pid, 0)
    assert await sessions.claim(pid) is None
    sessions.drop(pid, 0)
    sessions.keep(pid, SESSION, 60)
    assert await sessions.claim(pid) == SESSION


async def test_a_former_node_cannot_overwrite_a_recovered_session(
    sessions: RecoveryStore, redis: RedisClient, pid: str
) -> None:
    there, back = RecoveryStore(redis), SESSION._replace(generation=10, rooms={chat_room("c"): Place("epoch", 9)})
    for late in (partial(sessions.keep, pid, SESSION._replace(generation=9), 60), partial(sessions.drop, pid, 9)):
        there.keep(pid, back, 60)
        await there.close()
        late()
        assert await sessions.claim(pid) == back
    there.keep(pid, back, 60)
    await there.close()
    there.drop(pid, 10)
    await there.close()
    assert await sessions.claim(pid) is None


async def test_a_session_expires_after_its_window(sessions: RecoveryStore, redis: RedisClient, pid: str) -> None:
    sessions.keep(pid, SESSION, 0.05)
    await sessions.close()  # writes it

    async def expired() -> bool:
        return not await redis.client.exists(socket_session(pid))

    await until(expired)
    assert await RecoveryStore(redis).claim(pid) is None


async def test_many_sessions_are_saved_at_once(redis: RedisClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_store, "BATCH", 10)
    sessions = RecoveryStore(redis)
    pids = [secrets.token_hex(12) for _ in range(95)]
    for pid in pids:
        sessions.keep(pid, SESSION, 60)
    await sessions.close()  # a node that stops leaves all of them
    assert await redis.client.exists(*map(socket_session, pids)) == 95


async def test_sessions_are_lost_while_redis_is_away(own_redis: RedisServer) -> None:
    redis = RedisClient(make_settings(redis_url=own_redis.url, redis_timeout="300ms"), Metrics())
    sessions = RecoveryStore(redis)
    await sessions.start()
    own_redis.kill()
    sessions.keep("p", SESSION, 60)
    with pytest.raises(Unavailable):
        await sessions.claim("p")
    own_redis.start()
    assert await sessions.claim("p") is None  # it was not kept, and that is all
    sessions.keep("p", SESSION, 60)
    assert await sessions.claim("p") == SESSION
    await sessions.close()
    await redis.close()
