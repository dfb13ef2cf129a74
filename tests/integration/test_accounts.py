"""Accounts and the directory on real servers: who may log in, how often one may guess, and that refusals hold."""

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
import structlog
from argon2 import PasswordHasher

from gateway import keys
from gateway.errors import (
    AuthRequired,
    Code,
    Conflict,
    Forbidden,
    GatewayError,
    InvalidPayload,
    NotFound,
    RateLimited,
    Unavailable,
)
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.accounts import (
    ChangePassword,
    ChangeProfile,
    ChangeRole,
    Login,
    Refresh,
    Register,
    Session,
    Suspend,
    UsePasswordLink,
)
from gateway.realtime.notices import Notice, ProfileChanged, Revoked
from gateway.redis.client import RedisClient
from gateway.security.limits.limits import MemoryLimiter
from gateway.security.passwords import Passwords
from gateway.security.principal import Bearer, Principal, Role
from gateway.security.sessions.devices import Device, DeviceBook, DeviceNames, new_id
from gateway.security.sessions.refresh_tokens import Grant, RefreshTokens
from gateway.security.tokens.authenticator import Authenticator
from gateway.security.tokens.revocations import Revocations
from gateway.security.tokens.tokens import Tokens
from gateway.services.accounts.accounts import Accounts
from gateway.services.accounts.attempts import WRONG_FOR_ACCOUNT, WRONG_PASSWORDS, Attempts
from gateway.services.accounts.directory import Directory
from gateway.services.accounts.identities import Identities
from gateway.services.accounts.name_rules import NameRules
from gateway.services.accounts.password_links import PasswordLinks
from gateway.services.accounts.sessions import Sessions
from gateway.services.audit.audit_log import AuditLog
from gateway.services.chat.word_filter import WordFilter
from gateway.services.moderation.bans import Bans
from models.main.moderation import WordAction
from models.main.user import User
from tests.doubles import stand_in
from tests.support import make_settings
from tests.timing import next_millisecond

PASSWORD = "correct horse battery"
MINUTES = timedelta(minutes=15)
BROWSER, PHONE = Device("a browser", "192.0.2.1"), Device("a phone", "192.0.2.1")


class CountingPasswords(Passwords):
    """Cheap ones that count what is compared."""

    def __init__(self, time_cost: int = 1) -> None:
        super().__init__(PasswordHasher(time_cost=time_cost, memory_cost=8, parallelism=1))
        self.compared = 0

    async def verify(self, password_hash: str | None, password: str) -> bool:
        self.compared += 1
        return await super().verify(password_hash, password)


class World:
    """One node's identity, wired as the composition root does, with the notices it sends."""

    def __init__(self, database: Database, redis: RedisClient) -> None:
        settings = make_settings()
        self.database = database
        self.passwords = CountingPasswords()
        self.tokens = Tokens(settings)
        self.revocations = Revocations(redis, MINUTES)
        self.bans = Bans(database)
        refresh_tokens = RefreshTokens(redis, timedelta(days=7))
        self.sessions = Sessions(refresh_tokens, self.revocations, self)
        self.identities = Identities(database)
        self.limiter = MemoryLimiter()
        names = DeviceNames(settings)
        self.book = DeviceBook(redis, names, timedelta(days=7), timedelta(days=1))
        self.accounts = self.made(self.passwords)
        self.directory = Directory(database, self.sessions, AuditLog(database))
        self.authenticator = Authenticator(
            self.tokens, self.revocations, self.identities, refresh_tokens, stand_in(self), self.bans
        )
        self.notices: list[Any] = []

    def made(self, passwords: Passwords) -> Accounts:
        return Accounts(
            self.database,
            self.sessions,
            self.tokens,
            passwords,
            Attempts(self.limiter, self.book),
            NameRules(self.database, stand_in(self), ("admin", "관리자")),
            self.bans,
            MINUTES,
        )

    def allows(self, name: str) -> bool:
        return WordFilter({"바보": WordAction.MASK, "badword": WordAction.BLOCK}).apply(name) == name

    async def notify(self, notice: Notice) -> None:
        assert isinstance(notice, Revoked | ProfileChanged)
        self.notices.append(notice)
        self.authenticator.forget(notice.user_id)

    async def use(self, bearer: Bearer) -> None:
        raise AssertionError("there are no guests here")

    async def exist(self, bearers: Sequence[Bearer]) -> list[bool]:
        raise AssertionError("there are no guests here")

    async def register(self, name: str = "ann") -> Session:
        ask = Register(email=f"{name}@example.com", username=name, password=PASSWORD)
        return await self.accounts.register(ask, BROWSER)

    async def login(self, name: str = "ann", password: str = PASSWORD) -> Session:
        return await self.accounts.login(Login(email=f"{name}@example.com", password=password), PHONE)

    async def who(self, session: Session) -> Principal:
        return await self.authenticator.authenticate(session.access_token)

    async def admin(self) -> Principal:
        session = await self.register("boss")
        await User.filter(id=session.user.id).update(role="ADMIN")
        return await self.who(session)

    async def refused(self, session: Session) -> GatewayError:
        """How an access token is refused."""
        with pytest.raises(GatewayError) as caught:
            await self.who(session)
        return caught.value

    async def lost(self, session: Session) -> GatewayError:
        """How a refresh token is refused."""
        with pytest.raises(GatewayError) as caught:
            await self.accounts.refresh(session.refresh_token)
        return caught.value


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    connected = Database(make_settings(database_url=database_url), Metrics())
    await connected.open()
    yield connected
    await connected.close()


@pytest.fixture
async def world(database: Database, redis: RedisClient) -> AsyncIterator[World]:
    world = World(database, redis)
    yield world
    world.passwords.close()


# --- in ---------------------------------------------------------------------------------------------------------------


async def test_registration_logs_in(world: World) -> None:
    session = await world.register()
    assert (session.user.email, session.user.role, session.user.status) == ("ann@example.com", "USER", "ACTIVE")
    assert session.expires_in == 900
    principal = await world.who(session)
    assert (principal.user_id, principal.username, principal.role) == (session.user.id, "ann", Role.USER)
    assert await world.accounts.me(principal) == session.user


async def test_spellings_of_an_address_are_one_account(world: World) -> None:
    await world.register()
    with pytest.raises(Conflict):
        await world.accounts.register(Register(email="ANN@Example.com", username="x", password=PASSWORD), PHONE)
    assert (
        await world.accounts.login(Login(email=" Ann@EXAMPLE.com", password=PASSWORD), PHONE)
    ).user.username == "ann"


async def test_a_failed_registration_leaves_no_account(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(world.sessions, "open", away)
        with pytest.raises(Unavailable):
            await world.register()
    assert (await world.who(await world.register())).username == "ann"


async def test_an_address_that_is_too_long_once_normalised_is_refused(world: World) -> None:
    address = "\ufdfa" * 200 + "@example.com"  # NFKC makes 18 characters of each
    with pytest.raises(InvalidPayload):
        await world.accounts.login(Login(email=address, password=PASSWORD), PHONE)
    with pytest.raises(InvalidPayload):
        await world.accounts.register(Register(email=address, username="x", password=PASSWORD), PHONE)
    unknown = "\u0130" * 240 + "@example.com"  # too long in small letters, in which older accounts are stored
    with pytest.raises(AuthRequired):
        await world.accounts.login(Login(email=unknown, password=PASSWORD), PHONE)


async def test_concurrent_registrations_of_one_address_create_one_account(world: World) -> None:
    answers = await asyncio.gather(world.register(), world.register(), return_exceptions=True)
    [session] = [answer for answer in answers if isinstance(answer, Session)]
    assert sum(isinstance(answer, Conflict) for answer in answers) == 1
    assert (await world.who(session)).user_id == session.user.id


async def test_unknown_users_and_wrong_passwords_cost_and_answer_the_same(world: World) -> None:
    await world.register()
    answers = []
    for name, password in (("ann", "wrong"), ("nobody", PASSWORD)):
        before = world.passwords.compared
        with pytest.raises(AuthRequired) as caught:
            await world.login(name, password)
        answers.append((caught.value.code, caught.value.message, world.passwords.compared - before))
    assert answers == [(Code.AUTH_REQUIRED, "E-mail or password is wrong", 1)] * 2


async def test_password_guesses_are_limited(world: World) -> None:
    await world.register()
    for name in ("ann", "nobody"):
        before = world.passwords.compared
        tries = [world.login(name, f"guess {number}") for number in range(WRONG_PASSWORDS + 5)]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(answer, AuthRequired) for answer in answers) == WRONG_PASSWORDS
        assert sum(isinstance(answer, RateLimited) for answer in answers) == 5
        assert world.passwords.compared - before == WRONG_PASSWORDS
    with pytest.raises(RateLimited):
        await world.login()


async def test_guesses_from_one_network_do_not_lock_out_the_owner(world: World, redis: RedisClient) -> None:
    session = await world.register()
    principal = await world.who(session)
    home = Device("a browser", "192.0.2.77", new_id())
    await world.book.note(session.user.id, home)  # as the edge does after a login

    async def guess(device: Device) -> type[BaseException] | None:
        try:
            await world.accounts.login(Login(email="ann@example.com", password="wrong"), device)
        except GatewayError as error:
            return type(error)
        return None

    for network in range(WRONG_FOR_ACCOUNT // WRONG_PASSWORDS):
        stranger = Device("x", f"198.51.100.{network}", new_id())
        assert [await guess(stranger) for _ in range(WRONG_PASSWORDS)] == [AuthRequired] * WRONG_PASSWORDS
        assert await guess(stranger._replace(id=new_id())) is RateLimited  # another cookie is no other network
    assert await guess(Device("x", "203.0.113.1")) is RateLimited, "the ceiling of the account"
    right = Login(email="ann@example.com", password=PASSWORD)
    await world.accounts.login(right, home)
    await world.accounts.change_password(principal, change(PASSWORD, "another password"))
    assert [await guess(home) for _ in range(WRONG_PASSWORDS)] == [AuthRequired] * WRONG_PASSWORDS
    assert await guess(home) is RateLimited, "whoever holds the device may not guess for ever either"


async def test_guesses_from_few_networks_do_not_affect_others(world: World) -> None:
    await world.register()
    stranger = Device("x", "198.51.100.1")
    for _ in range(3 * WRONG_PASSWORDS):
        with pytest.raises((AuthRequired, RateLimited)):
            await world.accounts.login(Login(email="ann@example.com", password="wrong"), stranger)
    await world.login()


async def test_guesses_of_the_current_password_are_limited(world: World) -> None:
    principal = await world.who(await world.register())
    for _ in range(WRONG_PASSWORDS):
        with pytest.raises(Forbidden):
            await world.accounts.change_password(principal, change("wrong", "another password"))
    with pytest.raises(RateLimited):
        await world.accounts.change_password(principal, change(PASSWORD, "another password"))
    await world.accounts.change_password(await world.who(await world.login()), change(PASSWORD, "another password"))


async def test_an_account_is_found_by_all_spellings_of_its_address(world: World) -> None:
    address = "é@bücher.example"
    await world.accounts.register(Register(email=address, username="é", password=PASSWORD), PHONE)
    for form in (unicodedata.normalize("NFD", address), "É@xn--bcher-kva.example", "ｅ\u0301@BÜCHER.example"):
        assert (await world.accounts.login(Login(email=form, password=PASSWORD), PHONE)).user.email == address
        with pytest.raises(Conflict):
            await world.accounts.register(Register(email=form, username="x", password=PASSWORD), PHONE)


async def test_an_old_account_logs_in_and_its_hash_is_renewed(world: World) -> None:
    password = unicodedata.normalize("NFD", "비밀번호-café")
    stored = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)
    user = await User.create(email="straße@example.com", username="old", password_hash=stored)
    for typed in (password, unicodedata.normalize("NFC", password)):
        ask = Login(email="Straße@example.com", password=typed)
        assert (await world.accounts.login(ask, PHONE)).user.id == str(user.id)
    with pytest.raises(Conflict):
        await world.accounts.register(Register(email="Straße@example.com", username="x", password=PASSWORD), PHONE)


@pytest.mark.parametrize(
    "name", ["바보", "ㅂㅏ보", "badword seller", "admin", "аdmin", "Admin 2", "the admin", "부관리자", "B0SS"]
)
async def test_invalid_names_are_refused(world: World, name: str) -> None:
    admin = await world.admin()
    principal = await world.who(await world.register())
    with pytest.raises(InvalidPayload):
        await world.accounts.register(Register(email="x@example.com", username=name, password=PASSWORD), PHONE)
    with pytest.raises(InvalidPayload):
        await world.accounts.change_profile(principal, ChangeProfile(username=name))
    await world.accounts.change_profile(admin, ChangeProfile(username="Boss"))  # their own
    await world.accounts.change_profile(admin, ChangeProfile(username="관리자 김"))


@pytest.mark.parametrize("name", ["👨‍👩‍👧‍👦", "김철수", "김Kim", "ann", "Administrate", "ghost", "bo"])
async def test_valid_names_are_accepted(world: World, name: str) -> None:
    await world.admin()
    session = await world.accounts.register(Register(email="x@example.com", username=name, password=PASSWORD), PHONE)
    assert session.user.username == name


async def test_a_ban_is_disclosed_only_after_authentication(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await world.register()

    async def banned(user_id: str) -> None:
        raise GatewayError(Code.BANNED)

    monkeypatch.setattr(world.bans, "check", banned)
    forged = session.refresh_token[:-43] + "A" * 43
    with pytest.raises(AuthRequired, match="Invalid token"):
        await world.accounts.refresh(forged)
    with pytest.raises(GatewayError) as caught:
        await world.accounts.refresh(session.refresh_token)
    assert caught.value.code == Code.BANNED
    monkeypatch.undo()
    await world.accounts.refresh(session.refresh_token)  # it was not spent


async def test_right_passwords_are_not_limited(world: World) -> None:
    await world.register()
    for _ in range(WRONG_PASSWORDS + 5):
        await world.login()


async def test_a_hash_is_renewed_when_the_parameters_rise(world: World) -> None:
    session = await world.register()
    before = (await User.get(id=session.user.id)).password_hash
    await world.login()
    assert (await User.get(id=session.user.id)).password_hash == before
    stronger = CountingPasswords(time_cost=2)
    await world.made(stronger).login(Login(email="ann@example.com", password=PASSWORD), PHONE)
    after = (await User.get(id=session.user.id)).password_hash
    stronger.close()
    assert after != before
    assert not stronger.needs_rehash(after)
    await world.login()


@pytest.mark.parametrize("change", [{"password_hash": "another"}, {"status": "SUSPENDED", "suspended_reason": "spam"}])
async def test_a_login_during_a_password_change_leaves_no_session(
    world: World, monkeypatch: pytest.MonkeyPatch, change: dict[str, str]
) -> None:
    session = await world.register()
    opened = world.sessions.open

    async def overtaken(user_id: str, device: str) -> Grant:
        await User.filter(id=user_id).update(**change)
        await world.sessions.end_all(user_id)
        return await opened(user_id, device)

    monkeypatch.setattr(world.sessions, "open", overtaken)
    with pytest.raises(AuthRequired):
        await world.login()
    assert await world.sessions.list(session.user.id) == []


# --- staying ----------------------------------------------------------------------------------------------------------


async def test_a_refresh_returns_both_tokens(world: World) -> None:
    first = await world.register()
    second = await world.accounts.refresh(first.refresh_token)
    assert second.refresh_token != first.refresh_token
    assert second.access_token != first.access_token
    assert (await world.who(second)).session_id == (await world.who(first)).session_id


async def test_fifty_parallel_refreshes_get_one_successor(world: World) -> None:
    first = await world.register()
    answers = await asyncio.gather(*(world.accounts.refresh(first.refresh_token) for _ in range(50)))
    assert len({answer.refresh_token for answer in answers}) == 1
    await world.accounts.refresh(answers[0].refresh_token)
    assert not world.notices


async def test_a_replay_ends_the_session_everywhere(world: World, redis: RedisClient) -> None:
    first, other = await world.register(), await world.login()
    second = await world.accounts.refresh(first.refresh_token)
    principal = await world.who(second)
    await redis.client.delete(keys.refresh_salt(principal.user_id, principal.session_id))  # the grace is over
    assert (await world.lost(first)).code == Code.TOKEN_REVOKED
    assert (await world.refused(second)).code == Code.TOKEN_REVOKED
    assert (await world.lost(second)).message == "Invalid token"
    assert [notice.session_id for notice in world.notices] == [principal.session_id]
    await world.who(other)
    await world.accounts.refresh(other.refresh_token)


async def test_refresh_token_survives_a_database_outage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await world.register()
    with monkeypatch.context() as patch:

        async def away(**_: object) -> None:
            raise ConnectionRefusedError

        patch.setattr(User, "get_or_none", away)
        with pytest.raises(Unavailable):
            await world.accounts.refresh(session.refresh_token)
    refreshed = await world.accounts.refresh(session.refresh_token)
    assert len(await world.sessions.list(session.user.id)) == 1
    assert refreshed.user == session.user


@pytest.mark.parametrize("token", ["", "x", f"nobody.s.{'A' * 43}", f"{'0' * 32}.s.{'A' * 43}"])
async def test_a_malformed_refresh_token(world: World, token: str) -> None:
    with pytest.raises(AuthRequired, match="Invalid token"):
        await world.accounts.refresh(token)


async def test_access_token_of_an_unknown_user(world: World) -> None:
    for user in ("nobody", "0" * 32):
        with pytest.raises(AuthRequired, match="Invalid token"):
            await world.authenticator.authenticate(world.tokens.issue_access(user, Role.ADMIN, "s1"))


# --- out --------------------------------------------------------------------------------------------------------------


async def test_logout_ends_this_session_only(world: World) -> None:
    here, there = await world.register(), await world.login()
    principal = await world.who(here)
    await world.accounts.logout(principal)
    assert (await world.refused(here)).message == "Token has been revoked"
    assert (await world.lost(here)).message == "Invalid token"
    assert [notice.session_id for notice in world.notices] == [principal.session_id]
    await world.who(there)
    await world.accounts.logout(principal)  # again


async def test_logout_by_the_refresh_token_after_the_access_token_expired(world: World) -> None:
    session = await world.register()
    await world.accounts.logout(None, "nonsense")
    await world.accounts.logout(None, session.refresh_token)
    assert (await world.refused(session)).code == Code.TOKEN_REVOKED
    assert (await world.lost(session)).message == "Invalid token"
    await world.accounts.logout(None, session.refresh_token)
    await world.accounts.logout(None)


async def test_logout_all_and_a_login_right_after(world: World) -> None:
    sessions = [await world.register(), await world.login(), await world.login()]
    stranger = await world.register("bob")
    minted = world.tokens.issue_access(sessions[0].user.id, Role.USER, "a session that was never opened")
    principal = await world.who(sessions[0])
    await next_millisecond()
    await world.accounts.logout_all(principal)
    for session in sessions:
        assert (await world.refused(session)).code == Code.TOKEN_REVOKED
        assert (await world.lost(session)).message == "Invalid token"
    with pytest.raises(AuthRequired, match="revoked"):
        await world.authenticator.authenticate(minted)
    [notice] = world.notices
    assert (notice.user_id, notice.code) == (principal.user_id, Code.TOKEN_REVOKED)
    assert principal.issued_at.timestamp() <= (notice.before or 0)
    await next_millisecond()
    await world.who(await world.login())
    await world.who(stranger)


async def test_sessions_are_listed_and_ended_one_by_one(world: World) -> None:
    here, there = await world.register(), await world.login()
    principal, other = await world.who(here), await world.who(there)
    listed = (await world.accounts.sessions(principal)).items
    assert {(item.id, item.device, item.current) for item in listed} == {
        (principal.session_id, "a browser", True),
        (other.session_id, "a phone", False),
    }
    await world.accounts.end_session(principal, other.session_id)
    assert (await world.refused(there)).code == Code.TOKEN_REVOKED
    assert [item.id for item in (await world.accounts.sessions(principal)).items] == [principal.session_id]
    stranger = await world.who(await world.register("bob"))
    for session_id in (other.session_id, stranger.session_id, f"{principal.session_id}:spent", "\ud800", ""):
        with pytest.raises(NotFound):
            await world.accounts.end_session(principal, session_id)
    await world.authenticator.authenticate(here.access_token)
    assert (await world.accounts.sessions(stranger)).items


async def test_a_new_password_ends_every_other_session(world: World) -> None:
    here, there = await world.register(), await world.login()
    principal = await world.who(here)
    with pytest.raises(Forbidden):
        await world.accounts.change_password(principal, change("wrong", "another password"))
    await world.who(there)
    await world.accounts.change_password(principal, change(PASSWORD, "another password"))
    assert (await world.refused(there)).code == Code.TOKEN_REVOKED
    assert (await world.lost(there)).message == "Invalid token"
    await world.who(here)
    await world.accounts.refresh(here.refresh_token)
    assert world.notices[-1].keep_session_id == principal.session_id
    with pytest.raises(AuthRequired):
        await world.login()
    await world.login(password="another password")


async def test_a_repeated_password_change_ends_remaining_sessions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = await world.register(), await world.login()
    principal = await world.who(here)
    with monkeypatch.context() as patch:
        patch.setattr(world.revocations, "revoke_user", away)
        with pytest.raises(Unavailable):
            await world.accounts.change_password(principal, change(PASSWORD, "another password"))
    await world.who(there)
    await world.accounts.change_password(principal, change(PASSWORD, "another password"))
    assert (await world.refused(there)).code == Code.TOKEN_REVOKED
    await world.login(password="another password")
    with pytest.raises(Forbidden):
        await world.accounts.change_password(principal, change(PASSWORD, "a third password"))


async def test_only_one_of_two_concurrent_password_changes_succeeds(world: World) -> None:
    principal = await world.who(await world.register())
    changes = [world.accounts.change_password(principal, change(PASSWORD, f"new password {n}")) for n in range(2)]
    answers = await asyncio.gather(*changes, return_exceptions=True)
    winner = answers.index(None)
    assert isinstance(answers[1 - winner], Conflict | Forbidden)  # noticed at the end or at once
    await world.login(password=f"new password {winner}")


async def test_rename_account(world: World) -> None:
    principal = await world.who(await world.register())
    assert (await world.accounts.change_profile(principal, ChangeProfile(username="Anna"))).username == "Anna"
    assert (await world.accounts.me(principal)).username == "Anna"
    assert world.notices == [ProfileChanged(principal.user_id)]


# --- the directory ----------------------------------------------------------------------------------------------------


async def test_suspend_and_unsuspend(world: World) -> None:
    admin, session = await world.admin(), await world.register()
    before = await world.who(session)
    await next_millisecond()
    view = await world.directory.suspend(admin, before.user_id, Suspend(reason="spam"))
    assert view.status == "SUSPENDED"
    assert (await User.get(id=before.user_id)).suspended_reason == "spam"
    assert (await world.refused(session)).message == "Account is suspended"
    assert (await world.lost(session)).message == "Invalid token"
    with pytest.raises(Forbidden, match="Account is suspended"):
        await world.login()
    with pytest.raises(AuthRequired, match="wrong"):  # who does not know the password learns nothing
        await world.login(password="wrong")
    fresh = world.tokens.issue_access(before.user_id, Role.USER, "another")
    with pytest.raises(Forbidden, match="Account is suspended"):
        await world.authenticator.authenticate(fresh)
    assert (await world.directory.unsuspend(admin, before.user_id)).status == "ACTIVE"
    assert (await User.get(id=before.user_id)).suspended_reason is None
    await world.who(await world.login())


async def test_a_suspended_user_cannot_refresh_a_remaining_session(world: World) -> None:
    session = await world.register()
    await User.filter(id=session.user.id).update(status="SUSPENDED", suspended_reason="spam")
    assert (await world.lost(session)).message == "Account is suspended"
    assert await world.sessions.list(session.user.id) == []


async def test_a_suspension_accepts_all_spellings_of_the_id(world: World) -> None:
    admin, session = await world.admin(), await world.register()
    await world.who(session)
    await next_millisecond()
    await world.directory.suspend(admin, session.user.id.upper().replace("-", ""), Suspend())
    assert world.notices[-1].user_id == session.user.id
    assert (await world.refused(session)).message == "Account is suspended"
    await User.filter(id=session.user.id).update(status="ACTIVE", suspended_reason=None)
    world.authenticator.forget(session.user.id)
    assert (await world.refused(session)).code == Code.TOKEN_REVOKED


async def test_a_new_role_applies_at_once(world: World) -> None:
    admin, session = await world.admin(), await world.register()
    await world.who(session)
    assert (await world.directory.change_role(admin, session.user.id, ChangeRole(role="HOST"))).role == "HOST"
    assert (await world.who(session)).role is Role.HOST
    assert world.notices == [ProfileChanged(session.user.id)]


async def test_only_admins_may_list_users(world: World) -> None:
    admin = await world.admin()
    user = await world.who(await world.register())
    other = await world.register("bob")
    with pytest.raises(Forbidden):
        await world.directory.suspend(user, other.user.id, Suspend(reason="x"))
    with pytest.raises(Forbidden):
        await world.directory.get(user, other.user.id)
    with pytest.raises(Forbidden):
        await world.directory.change_role(admin, admin.user_id, ChangeRole(role="USER"))
    with pytest.raises(Forbidden):
        await world.directory.suspend(admin, admin.user_id, Suspend(reason="x"))
    await world.directory.change_role(admin, other.user.id, ChangeRole(role="ADMIN"))
    with pytest.raises(Forbidden):
        await world.directory.suspend(admin, other.user.id, Suspend(reason="x"))
    with pytest.raises(Forbidden):
        await world.directory.suspend(admin, admin.user_id.upper(), Suspend(reason="x"))
    for unknown in ("nobody", "0" * 32):
        with pytest.raises(NotFound):
            await world.directory.get(admin, unknown)


# --- no leaks ---------------------------------------------------------------------------------------------------------


async def test_no_secret_in_a_repr_or_a_log(world: World, redis: RedisClient) -> None:
    with structlog.testing.capture_logs() as logs:
        session = await world.register()
        principal = await world.who(session)
        second = await world.accounts.refresh(session.refresh_token)
        await redis.client.delete(keys.refresh_salt(principal.user_id, principal.session_id))
        refused = [await world.lost(session), await world.lost(second), await world.refused(second)]
    assert logs  # the replay
    user = await User.get(id=session.user.id)
    shown = repr([logs, session, second, principal, user, refused, [error.__cause__ for error in refused]])
    shown += repr([Login(email="a@b", password=PASSWORD), change(PASSWORD, PASSWORD)])
    shown += repr([Register(email="a@b", username="a", password=PASSWORD)])
    shown += repr(Refresh.model_validate({"refreshToken": session.refresh_token}))
    for issued in (session, second):
        assert issued.access_token not in shown
        assert issued.refresh_token not in shown
        assert issued.refresh_token[-43:] not in shown
    assert PASSWORD not in shown
    assert user.password_hash not in shown
    assert PASSWORD not in user.password_hash


async def away(*_: object) -> None:
    raise Unavailable("redis")


def change(current: str, new: str) -> ChangePassword:
    return ChangePassword.model_validate({"currentPassword": current, "newPassword": new})


async def test_a_password_link_holds_until_the_sessions_have_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, session = await world.admin(), await world.register()
    links = PasswordLinks(world.database, world.sessions, world.passwords, AuditLog(world.database))
    link = await links.make(admin, session.user.id)
    ask = UsePasswordLink.model_validate({"token": link.token, "newPassword": "another password"})

    async def fail(_user_id: str) -> None:
        raise Unavailable("redis")

    with monkeypatch.context() as faults:
        faults.setattr(world.sessions, "end_all", fail)
        with pytest.raises(Unavailable):
            await links.use(ask)
    await world.who(session)  # it has not ended yet
    await links.use(ask)
    with pytest.raises(GatewayError):
        await world.who(session)
    with pytest.raises(AuthRequired):
        await links.use(ask)
    await world.login(password="another password")


async def test_a_password_link_ends_with_a_change_of_role(world: World) -> None:
    admin, session = await world.admin(), await world.register()
    links = PasswordLinks(world.database, world.sessions, world.passwords, AuditLog(world.database))
    link = await links.make(admin, session.user.id)
    await world.directory.change_role(admin, session.user.id, ChangeRole(role="ADMIN"))
    with pytest.raises(AuthRequired):
        await links.use(UsePasswordLink.model_validate({"token": link.token, "newPassword": "another password"}))
    await world.login()
