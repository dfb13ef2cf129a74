"""Refresh tokens on a real Redis: rotated once, the same for callers of one moment; a late copy ends the session."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway import keys
from gateway.errors import AuthRequired, Unavailable
from gateway.metrics import Metrics
from gateway.redis.client import RedisClient
from gateway.security.sessions.refresh_tokens import MAX_SESSIONS, Grant, RefreshTokens, ReplayedError
from tests.support import make_settings
from tests.timing import next_millisecond, until

WEEK = timedelta(days=7)
USER = "8d7c7bd8-6f3b-4ce2-9d68-5f7c1f4f7a10"


@pytest.fixture
def tokens(redis: RedisClient) -> RefreshTokens:
    return RefreshTokens(redis, WEEK)


async def grace_over(redis: RedisClient, grant: Grant) -> None:
    """Let the grace time of ten seconds pass."""
    assert await redis.client.delete(keys.refresh_salt(grant.user_id, grant.session_id)) == 1


async def test_save_look_up_delete(tokens: RefreshTokens) -> None:
    grant = await tokens.save(USER, "a browser")
    assert grant.user_id == USER
    assert await tokens.look_up(grant.token) == grant
    assert await tokens.delete(USER, grant.session_id)
    assert await tokens.look_up(grant.token) is None
    assert not await tokens.delete(USER, grant.session_id)
    with pytest.raises(AuthRequired):
        await tokens.rotate(grant.token)


async def test_redis_holds_no_token_and_forgets_in_a_week(tokens: RefreshTokens, redis: RedisClient) -> None:
    grant = await tokens.save(USER, "a browser")
    issued = [grant.token]
    for _ in range(3):
        issued.append((await tokens.rotate(issued[-1])).token)
    week, session = WEEK.total_seconds() * 1000, (USER, grant.session_id)
    stored = [
        await redis.client.hgetall(keys.session(*session)),
        await redis.client.lrange(keys.spent_refresh_tokens(*session), 0, -1),
        await redis.client.get(keys.refresh_salt(*session)),
        await redis.client.zrange(keys.user_sessions(USER), 0, -1),
    ]
    assert all(stored)
    assert await redis.client.dbsize() == len(stored)
    for key in await redis.client.keys("*"):
        assert key == keys.refresh_salt(*session) or week - 60_000 < await redis.client.pttl(key) <= week
    for token in issued:
        assert token.rsplit(".", 1)[1] not in f"{stored}"
    assert not any(token in repr(grant) for token in issued)


async def test_rotation_uses_up_the_token(tokens: RefreshTokens) -> None:
    first = await tokens.save(USER, "a browser")
    second = await tokens.rotate(first.token)
    assert (second.user_id, second.session_id) == (first.user_id, first.session_id)
    assert second.token != first.token
    assert await tokens.look_up(first.token) is None
    assert await tokens.look_up(second.token) == second


async def test_fifty_refreshes_at_once_rotate_once_on_two_nodes(
    tokens: RefreshTokens, redis: RedisClient, redis_url: str
) -> None:
    first = await tokens.save(USER, "a browser")
    other = RedisClient(make_settings(redis_url=redis_url), Metrics())
    nodes = [tokens, RefreshTokens(other, WEEK)]
    grants = await asyncio.gather(*(nodes[number % 2].rotate(first.token) for number in range(50)))
    await other.close()
    assert len({grant.token for grant in grants}) == 1
    assert await redis.client.llen(keys.spent_refresh_tokens(USER, first.session_id)) == 1
    assert await tokens.look_up(grants[0].token) is not None


async def test_a_later_replay_ends_the_session(tokens: RefreshTokens, redis: RedisClient) -> None:
    first = await tokens.save(USER, "a browser")
    other = await tokens.save(USER, "a phone")
    second = await tokens.rotate(first.token)
    await grace_over(redis, first)
    with pytest.raises(ReplayedError) as caught:
        await tokens.rotate(first.token)
    assert (caught.value.user_id, caught.value.session_id) == (USER, first.session_id)
    with pytest.raises(AuthRequired):
        await tokens.rotate(second.token)
    assert [record.session_id for record in await tokens.sessions(USER)] == [other.session_id]
    assert await tokens.look_up(other.token) is not None


async def test_only_the_last_token_has_a_grace_time(tokens: RefreshTokens) -> None:
    first = await tokens.save(USER, "a browser")
    second = await tokens.rotate(first.token)
    await tokens.rotate(second.token)
    with pytest.raises(ReplayedError):
        await tokens.rotate(first.token)


async def test_the_grace_time_is_ten_seconds(tokens: RefreshTokens, redis: RedisClient) -> None:
    grant = await tokens.save(USER, "a browser")
    await tokens.rotate(grant.token)
    assert 9_000 < await redis.client.pttl(keys.refresh_salt(USER, grant.session_id)) <= 10_000


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: "",
        lambda token: "x",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token.replace(".", "}.", 1),
        lambda token: token + "\n",
        lambda token: "\ud800" + token,
        lambda token: "A" * 5000,
    ],
)
async def test_a_malformed_token(tokens: RefreshTokens, forge: Callable[[str], str]) -> None:
    grant = await tokens.save(USER, "a browser")
    with pytest.raises(AuthRequired, match="Invalid token"):
        await tokens.rotate(forge(grant.token))


async def test_a_guessed_token_does_not_affect_the_session(tokens: RefreshTokens) -> None:
    grant = await tokens.save(USER, "a browser")
    for guess in (f"{USER}.{grant.session_id}.{'A' * 43}", f"somebody.{grant.session_id}.{grant.token[-43:]}"):
        with pytest.raises(AuthRequired, match="Invalid token"):
            await tokens.rotate(guess)
        assert await tokens.look_up(guess) is None
    assert await tokens.look_up(grant.token) is not None


async def test_sessions_are_listed_with_device_and_last_use(tokens: RefreshTokens) -> None:
    browser = await tokens.save(USER, "a browser" * 100)
    phone = await tokens.save(USER, "a phone")
    await next_millisecond()
    await tokens.rotate(browser.token)
    found = await tokens.sessions(USER)
    assert [record.session_id for record in found] == [browser.session_id, phone.session_id]
    assert found[0].device == ("a browser" * 100)[:256]
    assert found[0].last_used_at > found[0].created_at
    assert found[1].last_used_at == found[1].created_at
    assert await tokens.sessions("somebody") == []


async def test_any_user_agent_is_stored(tokens: RefreshTokens) -> None:
    for device in ("", "브라우저", "x\udcffy", "\x00\n"):
        await tokens.save(USER, device)
    found = await tokens.sessions(USER)
    assert {record.device for record in found} == {"", "브라우저", "x?y", "\x00\n"}


async def test_all_sessions_of_a_user_end_but_one(tokens: RefreshTokens) -> None:
    grants = [await tokens.save(USER, "x") for _ in range(3)]
    stranger = await tokens.save("somebody", "x")
    ended = await tokens.delete_all(USER, keep=grants[1].session_id)
    assert sorted(ended) == sorted([grants[0].session_id, grants[2].session_id])
    assert await tokens.look_up(grants[0].token) is None
    assert await tokens.look_up(grants[1].token) is not None
    assert await tokens.delete_all(USER) == [grants[1].session_id]
    assert await tokens.delete_all(USER) == []
    assert await tokens.look_up(stranger.token) is not None


async def test_expired_sessions_are_not_listed(tokens: RefreshTokens, redis: RedisClient) -> None:
    short = RefreshTokens(redis, timedelta(milliseconds=20))
    old = await short.save(USER, "old")
    await tokens.save(USER, "new")

    async def expired() -> bool:
        return await short.look_up(old.token) is None

    await until(expired)
    assert [record.device for record in await tokens.sessions(USER)] == ["new"]
    await tokens.save(USER, "newer")
    assert await redis.client.zcard(keys.user_sessions(USER)) == 2


async def test_the_oldest_session_ends_above_the_maximum(tokens: RefreshTokens) -> None:
    first = await tokens.save(USER, "x")
    await next_millisecond()
    for _ in range(MAX_SESSIONS):
        await tokens.save(USER, "x")
    assert await tokens.look_up(first.token) is None
    assert len(await tokens.sessions(USER)) == MAX_SESSIONS


async def test_refresh_is_unavailable_while_redis_is_away() -> None:
    away = RedisClient(make_settings(), Metrics())
    tokens = RefreshTokens(away, WEEK)
    with pytest.raises(Unavailable):
        await tokens.save(USER, "x")
    with pytest.raises(Unavailable):
        await tokens.rotate(f"{USER}.s.{'A' * 43}")
    await away.close()
