"""Revocations on a real Redis: what each of them catches, and what it leaves alone."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway import keys
from gateway.dev.servers import RedisProcess
from gateway.errors import AuthRequired, Code, Unavailable
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.redis.client import RedisClient
from gateway.security.principal import Role
from gateway.security.sessions.refresh_tokens import RefreshTokens
from gateway.security.tokens.revocations import BATCH, MARGIN, Revocations
from gateway.security.tokens.stored_revocations import StoredRevocations
from gateway.security.tokens.tokens import Claims
from gateway.settings import Settings
from models.main.revocation import Revocation
from tests.support import make_settings
from tests.timing import until

LIFETIME = timedelta(minutes=15)
NOW = 1_800_000_000.0


@pytest.fixture
def revocations(redis: RedisClient) -> Revocations:
    return Revocations(redis, LIFETIME)


def claims(issued: float = NOW, *, user: str = "u1", session: str = "s1") -> Claims:
    moment = datetime.fromtimestamp(issued, UTC)
    return Claims(user, Role.USER, session, moment, moment + LIFETIME)


async def test_unrevoked_tokens_are_valid(revocations: Revocations) -> None:
    await revocations.check(claims())


async def test_revoke_sessions(revocations: Revocations) -> None:
    await revocations.revoke_sessions("u1", ["s1", "s2"])
    with pytest.raises(AuthRequired, match="Token has been revoked") as caught:
        await revocations.check(claims())
    assert caught.value.code == Code.TOKEN_REVOKED
    await revocations.check(claims(session="s3"))
    await revocations.check(claims(user="u2"))
    await revocations.revoke_sessions("u1", [])
    sessions = ["s1", "s2", "s3"]
    assert await revocations.revoked([claims(NOW + 60, session=session) for session in sessions]) == [True, True, False]


async def test_revoke_a_user(revocations: Revocations, redis: RedisClient) -> None:
    before = await redis.time()
    moment = await revocations.revoke_user("u1")
    assert before <= moment <= await redis.time()
    asked = [claims(moment - 60), claims(moment), claims(moment + 0.00001), claims(moment, user="u2")]
    assert await revocations.revoked(asked) == [True, True, False, False]


async def test_revoke_a_user_except_one_session(revocations: Revocations) -> None:
    moment = await revocations.revoke_user("u1", keep_sid="s1")
    assert await revocations.revoked([claims(moment), claims(moment, session="s2")]) == [False, True]


async def test_keeping_a_session_restores_no_token(revocations: Revocations) -> None:
    first = await revocations.revoke_user("u1")
    second = await revocations.revoke_user("u1", keep_sid="s1")
    third = await revocations.revoke_user("u1", keep_sid="s1")
    assert first < second < third
    asked = [claims(first), claims(second), claims(second, session="s2"), claims(third + 1, session="s2")]
    assert await revocations.revoked(asked) == [True, False, True, False]
    await revocations.revoke_user("u1", keep_sid="s2")
    asked = [claims(third + 0.00001), claims(third, session="s2"), claims(third + 0.00001, session="s2")]
    assert await revocations.revoked(asked) == [True, True, False]


async def test_a_slow_server_clock_restores_no_token(revocations: Revocations, redis: RedisClient) -> None:
    """As one that replaces another: what was revoked by the clock of that one is ahead of its own."""
    ahead = await redis.time() + 5
    await redis.client.set(keys.revoked("u1", "sub"), f"{ahead:.6f} - 0")
    assert await revocations.revoke_user("u1") == pytest.approx(ahead, abs=1e-5)
    assert await revocations.revoked([claims(ahead - 1)]) == [True]


async def test_logins_after_a_revocation_are_valid(revocations: Revocations, redis: RedisClient) -> None:
    sessions = RefreshTokens(redis, timedelta(days=7))
    for ahead in (-5, 0, 5):
        await redis.client.set(keys.revoked("u1", "sub"), f"{await redis.time() + ahead:.6f} - 0")
        grant = await sessions.save("u1", "a browser")
        again = await sessions.rotate(grant.token)
        assert grant.issued_at is not None
        assert again.issued_at is not None
        asked = [claims(round(grant.issued_at, 6)), claims(round(again.issued_at, 6))]
        assert await revocations.revoked(asked) == [False, False]
        await revocations.revoke_user("u1")
        assert await revocations.revoked(asked) == [True, True]


async def test_revocations_expire_with_the_tokens(revocations: Revocations, redis: RedisClient) -> None:
    await revocations.revoke_sessions("u1", ["s1"])
    await revocations.revoke_user("u1")
    names = await redis.client.keys("*")
    assert len(names) == 2
    longest = (LIFETIME + MARGIN).total_seconds() * 1000
    for name in names:
        assert longest - 10_000 < await redis.client.pttl(name) <= longest


async def test_look_up_many_at_once(revocations: Revocations) -> None:
    await revocations.revoke_sessions("u1", ["s7"])
    found = await revocations.revoked([replace(claims(), session_id=f"s{number}") for number in range(500)])
    assert [number for number, gone in enumerate(found) if gone] == [7]
    assert await revocations.revoked([]) == []


async def test_revocations_while_redis_is_away() -> None:
    away = RedisClient(make_settings(), Metrics())
    with pytest.raises(Unavailable):
        await Revocations(away, LIFETIME).check(claims())
    await away.close()


# --- kept in PostgreSQL, too ----------------------------------------------------------------------------------------


@pytest.fixture
async def stored(settings: Callable[..., Settings]) -> AsyncIterator[StoredRevocations]:
    database = Database(settings(), Metrics())
    await database.open()
    yield StoredRevocations(database)
    await database.close()


async def test_lost_revocations_are_restored(redis: RedisClient, stored: StoredRevocations) -> None:
    revocations = Revocations(redis, LIFETIME, stored)
    await revocations.revoke_sessions("u1", ["s1"])
    await revocations.revoke_sessions("u2", ["s1", "s2"])
    await revocations.revoke_sessions("u2", [])
    await revocations.revoke_user("u3", keep_sid="s1")
    asked = [
        claims(),
        claims(user="u2"),
        claims(1, user="u3"),
        claims(1, user="u3", session="s2"),
        claims(user="u4"),
    ]
    expected = [True, True, False, True, False]
    assert await revocations.revoked(asked) == expected
    assert await revocations.verify() == 0
    await redis.client.flushdb()
    assert await revocations.revoked(asked) == [False] * 5
    assert await revocations.verify() == 4
    assert await revocations.revoked(asked) == expected
    assert await revocations.verify() == 0  # not so soon again
    longest = (LIFETIME + MARGIN).total_seconds() * 1000
    assert 0 < await redis.client.pttl(keys.revoked("u1", "sid", "s1")) <= longest


async def test_an_older_entry_than_the_stored_one_is_replaced(redis: RedisClient, stored: StoredRevocations) -> None:
    """A promoted replica, or a server that was started with old data."""
    revocations = Revocations(redis, LIFETIME, stored)
    await revocations.revoke_user("u1")
    old = str(await redis.client.get(keys.revoked("u1", "sub")))
    moment = await revocations.revoke_user("u1")
    await redis.client.set(keys.revoked("u1", "sub"), old)
    assert await revocations.revoked([claims(moment)]) == [False]
    assert await revocations.verify() == 1
    assert await revocations.revoked([claims(moment), claims(moment + 1)]) == [True, False]
    await redis.client.delete(keys.revocations_verified())
    assert await revocations.verify() == 0  # what is newer in Redis stays


async def test_revocations_during_an_outage_apply_after_it(redis: RedisClient, stored: StoredRevocations) -> None:
    away = RedisClient(make_settings(), Metrics())
    without = Revocations(away, LIFETIME, stored)
    with pytest.raises(Unavailable):
        await without.revoke_sessions("u1", ["s1"])
    with pytest.raises(Unavailable):
        await without.revoke_user("u2")
    # Who was let in before is, and who was shut out is not: PostgreSQL is asked.
    assert await without.revoked([claims(), claims(1, user="u2"), claims(user="u3")]) == [True, True, False]
    await without.check(claims(user="u3"))
    await away.close()
    revocations = Revocations(redis, LIFETIME, stored)
    assert await revocations.verify() == 2
    assert await revocations.revoked([claims(), claims(1, user="u2")]) == [True, True]
    assert await revocations.session_revoked("u1", "s1")
    assert not await revocations.session_revoked("u2", "s1"), "a session may be newer than a revocation of all tokens"


async def test_revocations_of_an_outage_hold_from_its_first_moment_on(
    own_redis: RedisProcess, stored: StoredRevocations
) -> None:
    """Redis does not have them yet, and says that it was compared a moment ago."""
    redis, other = (RedisClient(make_settings(redis_url=own_redis.url), Metrics()) for _ in range(2))
    here, there = (Revocations(client, LIFETIME, stored) for client in (redis, other))
    assert await here.verify() == 0
    own_redis.kill()
    with pytest.raises(Unavailable):
        await here.revoke_sessions("u1", ["s1"])
    with pytest.raises(Unavailable):
        await there.verify()  # as every node does each second
    own_redis.start()

    async def answers() -> bool:
        return await redis.ping() and await other.ping()

    await until(answers)
    for revocations in (here, there):
        assert await revocations.revoked([claims(), claims(user="u2")]) == [True, False]
    assert await there.verify() == 1
    assert await here.verify() == 0
    third = Revocations(redis, LIFETIME)  # which knows Redis alone
    assert await third.revoked([claims()]) == [True]
    await redis.close()
    await other.close()


async def test_many_revocations_are_restored_and_expired_ones_deleted(
    redis: RedisClient, stored: StoredRevocations
) -> None:
    await stored.keep([keys.revoked("u1", "sid", f"old{number}") for number in range(10)], "1", timedelta(0))
    await stored.keep([keys.revoked("u1", "sid", f"s{number}") for number in range(2 * BATCH + 1)], "1", LIFETIME)
    assert await Revocations(redis, LIFETIME, stored=stored).verify() == 2 * BATCH + 1
    assert await Revocation.all().count() == 2 * BATCH + 1
