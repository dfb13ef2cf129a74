"""Revocations on a real Redis: what each of them catches, and what it leaves alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import AuthRequired, Code, Unavailable
from gateway.metrics import Metrics
from gateway.redis.client import RedisClient
from gateway.security.principal import Role
from gateway.security.tokens.revocations import MARGIN, Revocations
from gateway.security.tokens.tokens import Claims
from tests.support import make_settings

LIFETIME = timedelta(minutes=15)
NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def revocations(redis: RedisClient, clock: Clock) -> Revocations:
    return Revocations(redis, LIFETIME, clock)


def claims(issued: float = NOW, *, user: str = "u1", session: str = "s1", token: str = "j1") -> Claims:
    moment = datetime.fromtimestamp(issued, UTC)
    return Claims(user, Role.USER, session, token, moment, moment + LIFETIME)


async def test_nothing_is_revoked_by_itself(revocations: Revocations) -> None:
    await revocations.check(claims())


async def test_a_token(revocations: Revocations) -> None:
    await revocations.revoke_token("u1", "j1")
    with pytest.raises(AuthRequired, match="Token has been revoked") as caught:
        await revocations.check(claims())
    assert caught.value.code == Code.TOKEN_REVOKED
    await revocations.check(claims(token="j2"))
    await revocations.check(claims(user="u2"))


async def test_sessions(revocations: Revocations) -> None:
    await revocations.revoke_sessions("u1", ["s1", "s2"])
    await revocations.revoke_sessions("u1", [])
    sessions = ["s1", "s2", "s3"]
    assert await revocations.revoked([claims(NOW + 60, session=session) for session in sessions]) == [True, True, False]


async def test_a_user_until_now(revocations: Revocations) -> None:
    assert await revocations.revoke_user("u1") == NOW
    asked = [claims(NOW - 60), claims(NOW), claims(NOW + 0.001), claims(user="u2")]
    assert await revocations.revoked(asked) == [True, True, False, False]


async def test_a_user_except_one_session(revocations: Revocations) -> None:
    await revocations.revoke_user("u1", keep_sid="s1")
    assert await revocations.revoked([claims(), claims(session="s2")]) == [False, True]


async def test_keeping_a_session_brings_nothing_back(revocations: Revocations, clock: Clock) -> None:
    await revocations.revoke_user("u1")
    clock.now += 10
    await revocations.revoke_user("u1", keep_sid="s1")
    clock.now += 10
    await revocations.revoke_user("u1", keep_sid="s1")
    asked = [claims(NOW), claims(NOW + 5), claims(NOW + 5, session="s2"), claims(NOW + 25, session="s2")]
    assert await revocations.revoked(asked) == [True, False, True, False]
    clock.now += 10
    await revocations.revoke_user("u1", keep_sid="s2")
    asked = [claims(NOW + 25), claims(NOW + 15, session="s2"), claims(NOW + 25, session="s2")]
    assert await revocations.revoked(asked) == [True, True, False]


async def test_a_clock_that_is_behind_brings_nothing_back(revocations: Revocations, clock: Clock) -> None:
    await revocations.revoke_user("u1")
    clock.now -= 5
    assert await revocations.revoke_user("u1") == NOW
    assert await revocations.revoked([claims(NOW - 1)]) == [True]


async def test_each_lives_as_long_as_a_token_may(revocations: Revocations, redis: RedisClient) -> None:
    await revocations.revoke_token("u1", "j1")
    await revocations.revoke_sessions("u1", ["s1"])
    await revocations.revoke_user("u1")
    names = await redis.client.keys("*")
    assert len(names) == 3
    longest = (LIFETIME + MARGIN).total_seconds() * 1000
    for name in names:
        assert longest - 10_000 < await redis.client.pttl(name) <= longest


async def test_many_at_once(revocations: Revocations) -> None:
    await revocations.revoke_sessions("u1", ["s7"])
    found = await revocations.revoked([replace(claims(), session_id=f"s{number}") for number in range(500)])
    assert [number for number, gone in enumerate(found) if gone] == [7]
    assert await revocations.revoked([]) == []


async def test_redis_away() -> None:
    away = RedisClient(make_settings(), Metrics())
    with pytest.raises(Unavailable):
        await Revocations(away, LIFETIME).check(claims())
    await away.close()
