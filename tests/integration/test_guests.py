"""Guests on real servers: created, extended by each use, kept over a loss of Redis, and ended."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from gateway import keys
from gateway.dev.servers import RedisProcess as RedisServer
from gateway.errors import AuthRequired, Code, RateLimited, Unavailable
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.accounts import Session
from gateway.realtime.notices import Notice, Revoked
from gateway.redis.client import RedisClient
from gateway.security.limits.limits import MemoryLimiter
from gateway.security.principal import Principal
from gateway.security.sessions import guest_ids, guest_sessions
from gateway.security.sessions.devices import Device, DeviceBook, DeviceNames
from gateway.security.sessions.guest_sessions import GuestSessions
from gateway.security.sessions.guest_sessions_postgres import StoredGuestSessions
from gateway.security.sessions.guest_sessions_redis import GuestTokens
from gateway.security.sessions.refresh_tokens import Grant, ReplayedError
from gateway.security.tokens.authenticator import Authenticator, Identity
from gateway.security.tokens.revocations import Revocations
from gateway.security.tokens.stored_revocations import StoredRevocations
from gateway.security.tokens.tokens import Tokens
from gateway.services.accounts.guests import Guests
from gateway.services.accounts.sessions import Sessions
from gateway.services.moderation.banned_devices import BannedDevices
from gateway.services.moderation.bans import Bans
from models.main.guest import GuestSession
from tests.doubles import stand_in
from tests.support import make_settings
from tests.timing import until

DAY = timedelta(hours=24)
MINUTES = timedelta(minutes=15)
HERE = "192.0.2.1"
AWAY = "redis://127.0.0.1:1/0"


class World:
    """One node's guests, wired as the composition root does, with the notices it sends."""

    def __init__(self, database: Database, redis: RedisClient, *, rate: tuple[int, float] = (100, 3600.0)) -> None:
        self.redis = redis
        self.metrics = Metrics()
        self.revocations = Revocations(redis, MINUTES, stored=StoredRevocations(database))
        self.redis_side = GuestTokens(redis, DAY)
        self.stored = StoredGuestSessions(database, DAY)
        self.sessions = GuestSessions(self.redis_side, self.stored, self.revocations, sweep=0.05)
        tokens = Tokens(make_settings())
        sessions = Sessions(self.sessions, self.revocations, self)
        bans, names = Bans(database), DeviceNames(make_settings())
        self.devices = BannedDevices(database, names, DeviceBook(redis, names, DAY, DAY))
        self.guests = Guests(sessions, tokens, MemoryLimiter(), bans, self.devices, self.metrics, MINUTES, rate)
        self.authenticator = Authenticator(tokens, self.revocations, self, stand_in(self.sessions), self.sessions, bans)
        self.notices: list[Notice] = []

    async def notify(self, notice: Notice) -> None:
        self.notices.append(notice)

    async def identity(self, user_id: str) -> Identity | None:
        raise AssertionError("a guest is looked up nowhere")

    async def enter(self, refresh_token: str | None = None, address: str = HERE) -> Session:
        return await self.guests.enter(refresh_token, Device("a browser", address))

    async def who(self, session: Session) -> Principal:
        return await self.authenticator.authenticate(session.access_token)

    async def left_ms(self, principal: Principal) -> int:
        """How long the session in Redis lives; negative if it is not there."""
        return int(await self.redis.client.pttl(keys.session(principal.user_id, principal.session_id)))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    connected = Database(make_settings(database_url=database_url), Metrics())
    await connected.open()
    yield connected
    await connected.close()


@pytest.fixture
def world(database: Database, redis: RedisClient) -> World:
    return World(database, redis)


@pytest.fixture
async def without_redis(database: Database) -> AsyncIterator[World]:
    redis = RedisClient(make_settings(redis_url=AWAY), Metrics())
    yield World(database, redis)
    await redis.close()


async def age(session_id: str, by: timedelta) -> None:
    """Age a session in PostgreSQL."""
    row = await GuestSession.get(session_id=session_id)
    rotated_at = None if row.rotated_at is None else row.rotated_at - by
    await GuestSession.filter(session_id=session_id).update(
        created_at=row.created_at - by,
        used_at=row.used_at - by,
        expires_at=row.expires_at - by,
        rotated_at=rotated_at,
    )


# --- coming and staying --------------------------------------------------------------------------------------------


@pytest.fixture(params=["redis", "postgres"])
def place(request: pytest.FixtureRequest, world: World, without_redis: World) -> World:
    return world if request.param == "redis" else without_redis


async def test_a_guest_keeps_their_identity(place: World) -> None:
    session = await place.enter()
    me = session.user
    assert (me.username, me.role, me.email) == (f"Guest {me.id[-4:]}", "GUEST", None)
    assert timedelta(0) <= datetime.now(UTC) - me.created_at < timedelta(minutes=1)
    principal = await place.who(session)
    assert (principal.user_id, principal.username, principal.authenticated) == (me.id, me.username, False)
    assert await place.guests.me(principal) == me

    again = await place.enter(session.refresh_token)
    assert again.user == me
    assert again.refresh_token != session.refresh_token
    assert (await place.guests.refresh(again.refresh_token)).user == me
    assert (await place.who(again)).session_id == principal.session_id
    assert [record.session_id for record in await place.sessions.sessions(me.id)] == [principal.session_id]


async def test_an_invalid_guest_token_makes_a_new_guest(world: World) -> None:
    session = await world.enter()
    forged = session.refresh_token.rpartition(".")[0] + "." + "x" * 43
    others = [await world.enter(token) for token in (None, "rubbish", "guest_rubbish", forged, "8d7c.s." + "x" * 43)]
    assert len({session.user.id, *(other.user.id for other in others)}) == 6
    assert (await world.enter(session.refresh_token)).user == session.user, "a forged one did no harm"


async def test_each_use_extends_the_session_by_a_day(world: World) -> None:
    session = await world.enter()
    principal = await world.who(session)
    key = keys.session(principal.user_id, principal.session_id)
    day = DAY.total_seconds() * 1000
    for use in (world.who(session), world.guests.refresh(session.refresh_token)):
        await world.redis.client.pexpire(key, 60_000)
        await use
        assert day - 60_000 < await world.left_ms(principal) <= day


async def test_each_use_extends_the_session_in_postgresql(without_redis: World) -> None:
    session = await without_redis.enter()
    principal = await without_redis.who(session)
    for use in (without_redis.who, lambda it: without_redis.guests.refresh(it.refresh_token)):
        await age(principal.session_id, timedelta(hours=23))
        await use(session)
        row = await GuestSession.get(session_id=principal.session_id)
        assert row.expires_at - datetime.now(UTC) > timedelta(hours=23, minutes=59)


async def test_unused_guest_sessions_expire_sooner(database: Database, redis: RedisClient) -> None:
    hour = timedelta(hours=1)
    tokens = GuestTokens(redis, DAY, unused=hour)
    book = DeviceBook(redis, DeviceNames(make_settings()), DAY, DAY, hour)
    device = Device("a browser", "192.0.2.1", "device-of-somebody")

    async def lifetimes(guest_id: str, session_id: str) -> set[timedelta]:
        names = keys.session(guest_id, session_id), keys.user_sessions(guest_id), keys.devices(guest_id)
        return {timedelta(hours=round(await redis.client.pttl(name) / 3_600_000)) for name in names}

    for how in ("touched", "refreshed"):
        grant = await tokens.save(guest_ids.new_id(), "a browser")
        guest = grant.user_id, grant.session_id
        await book.note(grant.user_id, device)
        assert await lifetimes(*guest) == {hour}
        if how == "touched":
            assert await tokens.touch(*guest)
        else:
            await tokens.rotate(grant.token)
            await book.note(grant.user_id, device)
        assert await lifetimes(*guest) == {DAY}
    stored = StoredGuestSessions(database, DAY, unused=hour)
    kept = await stored.save(guest_ids.new_id(), "")
    row = await GuestSession.get(session_id=kept.session_id)
    assert row.expires_at - row.used_at == hour
    assert await stored.touch(kept.user_id, kept.session_id)
    row = await GuestSession.get(session_id=kept.session_id)
    assert row.expires_at - row.used_at == DAY


async def test_a_guest_takes_less_than_a_kilobyte_of_redis(redis: RedisClient) -> None:
    browser = (
        "Mozilla/5.0 (Linux; Android 14; SM-S921N) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/126.0.0.0 Mobile Safari/537.36"
    )
    tokens, guest_id = GuestTokens(redis, DAY), guest_ids.new_id()
    await DeviceBook(redis, DeviceNames(make_settings()), DAY, DAY).note(
        guest_id, Device(browser, "192.0.2.1", "x" * 24)
    )
    grant = await tokens.save(guest_id, browser)
    names = keys.session(guest_id, grant.session_id), keys.user_sessions(guest_id), keys.devices(guest_id)
    assert [await redis.client.object("ENCODING", name) for name in names] == ["listpack"] * 3
    assert sum([await redis.client.memory_usage(name) or 0 for name in names]) < 1000
    assert [record.device for record in await tokens.sessions(guest_id)] == [browser]


async def test_an_unused_session_expires(database: Database, redis: RedisClient) -> None:
    tokens = GuestTokens(redis, DAY)
    grant = await tokens.save(guest_ids.new_id(), "")
    name = keys.session(grant.user_id, grant.session_id)
    await redis.client.pexpire(name, 60_000)
    assert await tokens.touch(grant.user_id, grant.session_id)
    assert await redis.client.pttl(name) > 60_000, "a use extends it"
    await redis.client.pexpire(name, 1)

    async def expired() -> bool:
        return bool(await redis.client.pttl(name) == -2)

    await until(expired)
    assert not await tokens.touch(grant.user_id, grant.session_id)
    with pytest.raises(AuthRequired):
        await tokens.rotate(grant.token)
    stored = StoredGuestSessions(database, DAY)
    grant = await stored.save(guest_ids.new_id(), "")
    await age(grant.session_id, DAY)
    assert not await stored.touch(grant.user_id, grant.session_id)
    assert (await stored.rotate(grant.token), await stored.look_up(grant.token)) == (None, None)


async def test_new_guests_of_one_address_are_limited(database: Database, redis: RedisClient) -> None:
    world = World(database, redis, rate=(2, 60.0))
    first = await world.enter(address="2001:db8::1")
    await world.enter(address="2001:db8::2")
    with pytest.raises(RateLimited) as caught:
        await world.enter(address="2001:db8::3")
    assert caught.value.retry_after_ms
    assert world.metrics.registry.get_sample_value("dorami_rate_limited_total", {"scope": "guest"}) == 1
    assert (await world.enter(first.refresh_token, "2001:db8::3")).user == first.user, "who was here is not new"
    await world.enter(address="2001:db8:0:1::1")


# --- tokens, in Redis and in PostgreSQL alike ----------------------------------------------------------------------


@pytest.fixture(params=["redis", "postgres"])
def store(request: pytest.FixtureRequest, world: World) -> GuestTokens | StoredGuestSessions:
    return world.redis_side if request.param == "redis" else world.stored


async def grace_over(world: World, grant: Grant) -> None:
    """Let the grace time of ten seconds pass."""
    await world.redis.client.delete(keys.refresh_salt(grant.user_id, grant.session_id))
    if await GuestSession.exists(session_id=grant.session_id):
        await age(grant.session_id, timedelta(seconds=10))


async def test_concurrent_callers_get_the_same_successor(store: GuestTokens | StoredGuestSessions) -> None:
    grant = await store.save(guest_ids.new_id(), "a browser")
    granted = await asyncio.gather(*(store.rotate(grant.token) for _ in range(8)))
    (successor,) = set(granted)
    assert successor is not None
    assert successor.token != grant.token
    assert await store.look_up(grant.token) is None
    assert await store.look_up(successor.token) == successor


async def test_a_late_copy_ends_the_session(world: World, store: GuestTokens | StoredGuestSessions) -> None:
    grant = await store.save(guest_ids.new_id(), "a browser")
    successor = await store.rotate(grant.token)
    assert successor is not None
    await grace_over(world, grant)
    with pytest.raises(ReplayedError):
        await store.rotate(grant.token)
    assert not await store.touch(grant.user_id, grant.session_id)
    with pytest.raises(AuthRequired):
        await world.sessions.rotate(successor.token)


async def test_a_guessed_token_has_no_effect(store: GuestTokens | StoredGuestSessions) -> None:
    grant = await store.save(guest_ids.new_id(), "a browser")
    with pytest.raises(AuthRequired):
        await store.rotate(grant.token[:-1] + ("A" if grant.token[-1] != "A" else "B"))
    assert await store.look_up(grant.token) == grant


async def test_end_all_sessions_but_one(store: GuestTokens | StoredGuestSessions) -> None:
    guest = guest_ids.new_id()
    kept, ended = await store.save(guest, "kept"), await store.save(guest, "ended")
    other = await store.save(guest_ids.new_id(), "")
    assert await store.delete_all(guest, keep=kept.session_id) == [ended.session_id]
    assert [(record.session_id, record.device) for record in await store.sessions(guest)] == [(kept.session_id, "kept")]
    assert not await store.delete(guest, other.session_id)
    assert await store.delete(guest, kept.session_id)
    assert await store.look_up(other.token) == other


async def test_no_token_is_stored(without_redis: World) -> None:
    session = await without_redis.enter()
    again = await without_redis.guests.refresh(session.refresh_token)
    (row,) = await GuestSession.all().values()
    for token in (session.refresh_token, again.refresh_token):
        assert token.rpartition(".")[2] not in f"{row}"


# --- Redis goes and comes back -------------------------------------------------------------------------------------


async def test_guest_sessions_survive_a_redis_restart(database: Database, own_redis: RedisServer) -> None:
    """Who came while it was away is who they were, before, while and after."""
    redis = RedisClient(make_settings(redis_url=own_redis.url), Metrics())
    world = World(database, redis)
    world.sessions.start()
    before = await world.enter()
    await asyncio.to_thread(own_redis.kill)
    session = await world.enter()
    assert (await world.who(before)).user_id == before.user.id, "PostgreSQL has every revocation"
    assert (await world.enter(before.refresh_token)).user != before.user, "better a new guest than none"
    spent = [session.refresh_token]
    for _ in range(2):
        session = await world.guests.refresh(spent[-1])
        spent.append(session.refresh_token)
    principal = await world.who(session)
    assert await GuestSession.all().count() == 2

    await asyncio.to_thread(own_redis.start)

    async def moved() -> bool:
        return not await GuestSession.exists()

    await until(moved)
    assert (await world.who(before)).user_id == before.user.id
    assert (await world.who(session)).session_id == principal.session_id
    assert await world.left_ms(principal) > 0
    (record,) = await world.sessions.sessions(principal.user_id)
    assert (record.session_id, record.device) == (principal.session_id, "a browser")
    after = await world.guests.refresh(spent[-1])
    assert after.user == session.user
    assert (await world.guests.refresh(spent[-1])).refresh_token == after.refresh_token, "two tabs"
    with pytest.raises(AuthRequired) as caught:
        await world.guests.refresh(spent[0])  # spent while Redis was away: a copy all the same
    assert caught.value.code is Code.TOKEN_REVOKED
    with pytest.raises(AuthRequired):
        await world.who(after)
    await world.sessions.close()
    await redis.close()


async def left_behind(world: World) -> Grant:
    """Return a session that was opened while Redis was away."""
    return await world.stored.save(guest_ids.new_id(), "a browser")


async def test_a_used_session_moves_back_to_redis(world: World) -> None:
    for use in (world.sessions.rotate, world.sessions.look_up):
        grant = await left_behind(world)
        found = await asyncio.gather(*(use(grant.token) for _ in range(5)))
        assert all(it is not None and it.session_id == grant.session_id for it in found)
        await world.sessions.tidy()
        assert not await GuestSession.exists()
        assert await world.redis_side.touch(grant.user_id, grant.session_id)


async def test_an_access_token_brings_its_session_back(world: World, without_redis: World) -> None:
    session = await without_redis.enter()
    principal = await world.who(session)
    assert await world.left_ms(principal) > 0
    assert not await GuestSession.exists()


async def test_two_nodes_move_each_session_once(
    world: World, database: Database, redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_sessions, "BATCH", 4)  # a bound for each step
    grants = [await left_behind(world) for _ in range(9)]
    old = [await left_behind(world) for _ in range(5)]
    for grant in old:
        await age(grant.session_id, DAY)
    await world.sessions.tidy()
    assert await GuestSession.all().count() == 14 - 4 - 4
    other = World(database, redis)
    while await GuestSession.exists():
        await asyncio.gather(world.sessions.tidy(), other.sessions.tidy())
    assert all([await world.redis_side.look_up(grant.token) for grant in grants])
    assert not any([await world.redis_side.look_up(grant.token) for grant in old])


async def test_a_move_that_fails_loses_nothing(world: World, without_redis: World) -> None:
    grant = await left_behind(world)
    with pytest.raises(Unavailable):
        await without_redis.sessions.tidy()
    assert await world.stored.look_up(grant.token) == grant


async def test_a_repeated_move_does_not_restore_an_old_state(world: World) -> None:
    """The row was still there after the move: PostgreSQL was lost before the end of the transaction."""
    grant = await left_behind(world)
    await world.redis_side.restore(await GuestSession.get(session_id=grant.session_id))
    successor = await world.sessions.rotate(grant.token)
    await world.sessions.tidy()
    assert not await GuestSession.exists()
    assert await world.sessions.look_up(successor.token) == successor


# --- going ---------------------------------------------------------------------------------------------------------


async def test_a_logged_out_guest_stays_logged_out(world: World) -> None:
    session = await world.enter()
    principal = await world.who(session)
    await world.guests.logout(principal)
    assert world.notices == [Revoked(principal.user_id, session_id=principal.session_id)]
    with pytest.raises(AuthRequired) as caught:
        await world.who(session)
    assert caught.value.code is Code.TOKEN_REVOKED
    with pytest.raises(AuthRequired):
        await world.guests.refresh(session.refresh_token)
    assert (await world.enter(session.refresh_token)).user != session.user


async def test_logout_ends_what_is_still_in_postgres(world: World) -> None:
    grant = await left_behind(world)
    await world.guests.logout(None, grant.token)
    await world.sessions.tidy()
    assert await world.sessions.look_up(grant.token) is None


async def test_logout_with_an_invalid_token_is_no_error(world: World) -> None:
    await world.guests.logout(None, "guest_rubbish")
    assert world.notices == []


async def test_logout_ends_all_sessions_of_a_guest(world: World) -> None:
    session = await world.enter()
    grant = await world.stored.save(session.user.id, "while Redis was away")
    await world.guests.logout_all(await world.who(session))
    with pytest.raises(AuthRequired):
        await world.who(session)
    await world.sessions.tidy()
    assert await world.sessions.look_up(grant.token) is None
