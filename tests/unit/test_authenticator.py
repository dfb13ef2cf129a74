"""The authenticator: what it asks, answers and remembers; and where a token is looked for."""

import gc
import weakref
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from multidict import CIMultiDict, MultiDict

from gateway.errors import AuthRequired, Code, Forbidden, GatewayError, Unavailable
from gateway.security.browsers.cookies import SAME_NAME
from gateway.security.principal import Bearer, Principal, Role
from gateway.security.tokens.authenticator import (
    CACHE_SECONDS,
    CACHE_SIZE,
    Authenticator,
    Identity,
    authenticate_first,
    extract_tokens,
)
from gateway.security.tokens.tokens import Claims
from tests.doubles import stand_in


class Doubles:
    """Tokens, revocations and identities in one: a token is a user id."""

    def __init__(self) -> None:
        self.users = {"u1": Identity("ann", Role.USER, False)}
        self.revoked = False
        self.redis_away = self.database_away = False
        self.role = Role.USER
        self.asked: list[str] = []
        self.used: list[str] = []
        self.banned: set[str] = set()
        self.ended: set[str] = set()  # sessions

    def verify_access(self, token: str | None) -> Claims:
        if token is None:
            raise AuthRequired("No token provided")
        moment = datetime.now(UTC)
        return Claims(token, self.role, "s1", moment, moment)

    async def check(self, bearer: Bearer) -> None:
        if self.redis_away:
            raise Unavailable("redis")
        if self.revoked:
            raise AuthRequired("Token has been revoked", Code.TOKEN_REVOKED)

    async def use(self, bearer: Bearer) -> None:
        await self.check(bearer)
        self.used.append(bearer.user_id)

    async def exist(self, bearers: Sequence[Bearer]) -> list[bool]:
        if self.redis_away:
            raise Unavailable("redis")
        return [bearer.session_id not in self.ended for bearer in bearers]

    async def identity(self, user_id: str) -> Identity | None:
        self.asked.append(user_id)
        if self.database_away:
            raise Unavailable("database")
        return self.users.get(user_id)


class Bans:
    def __init__(self, world: Doubles) -> None:
        self._world = world

    async def check(self, user_id: str) -> None:
        if user_id in self._world.banned:
            raise GatewayError(Code.BANNED)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world() -> Doubles:
    return Doubles()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authenticator(world: Doubles, clock: Clock) -> Authenticator:
    accounts = stand_in(world)
    return Authenticator(accounts, accounts, world, accounts, accounts, Bans(world), clock)


async def test_a_principal_has_name_and_role_of_the_account(authenticator: Authenticator, world: Doubles) -> None:
    world.users["u1"] = Identity("ann", Role.MODERATOR, False)
    principal = await authenticator.authenticate("u1")
    assert (principal.user_id, principal.username, principal.role) == ("u1", "ann", Role.MODERATOR)
    assert (principal.session_id, principal.authenticated) == ("s1", True)


async def test_a_guest_is_not_looked_up(authenticator: Authenticator, world: Doubles) -> None:
    world.role = Role.GUEST
    principal = await authenticator.authenticate("guest-abcd")
    assert (principal.username, principal.authenticated) == ("Guest abcd", False)
    assert not world.asked
    assert world.used == ["guest-abcd"], "their session lives on"
    world.revoked = True
    with pytest.raises(AuthRequired, match="Token has been revoked"):
        await authenticator.authenticate("guest-abcd")


async def test_authentication_errors(authenticator: Authenticator, world: Doubles) -> None:
    with pytest.raises(AuthRequired, match="No token provided"):
        await authenticator.authenticate(None)
    with pytest.raises(AuthRequired, match="Invalid token"):
        await authenticator.authenticate("nobody")
    world.revoked = True
    with pytest.raises(AuthRequired, match="Token has been revoked"):
        await authenticator.authenticate("u1")


@pytest.mark.parametrize("revoked", [True, False])
async def test_a_suspension_is_reported_even_if_the_token_is_revoked(
    authenticator: Authenticator, world: Doubles, revoked: bool
) -> None:
    world.users["u1"], world.revoked = Identity("ann", Role.USER, True), revoked
    with pytest.raises(Forbidden, match="Account is suspended"):
        await authenticator.authenticate("u1")


async def test_nobody_is_authenticated_while_a_server_is_unavailable(
    authenticator: Authenticator, world: Doubles
) -> None:
    world.database_away = True
    with pytest.raises(Unavailable):
        await authenticator.authenticate("u1")
    world.redis_away, world.role = True, Role.GUEST
    with pytest.raises(Unavailable):
        await authenticator.authenticate("guest-abcd")


async def test_renewal_after_the_expiry_of_a_token(authenticator: Authenticator, world: Doubles) -> None:
    world.users |= {name: Identity(name, Role.USER, False) for name in ("u2", "u3", "u4")}
    people = {name: await authenticator.authenticate(name) for name in world.users}
    people["ended"] = replace(people["u1"], session_id="s9")
    people["gone"] = replace(people["u1"], user_id="u9")
    people["guest"] = replace(people["u1"], user_id="guest-abcd", role=Role.GUEST)
    people["banned guest"] = replace(people["guest"], user_id="guest-efgh")
    world.users["u2"] = Identity("bob", Role.HOST, False)
    world.users["u3"] = Identity("u3", Role.USER, True)
    world.banned, world.ended = {"u4", "guest-efgh"}, {"s9"}
    for name in world.users:
        authenticator.forget(name)
    renewed = await authenticator.renew(list(people.values()))
    went_on = {name: who for name, who in zip(people, renewed, strict=True) if who is not None}
    assert set(went_on) == {"u1", "u2", "guest"}
    assert went_on["u1"] == people["u1"]
    assert went_on["u2"] == replace(people["u2"], username="bob", role=Role.HOST)


@pytest.mark.parametrize("server", ["redis_away", "database_away"])
async def test_an_unavailable_server_ends_no_socket(authenticator: Authenticator, world: Doubles, server: str) -> None:
    who = await authenticator.authenticate("u1")
    authenticator.forget("u1")
    setattr(world, server, True)
    with pytest.raises(Unavailable):
        await authenticator.renew([who])


async def test_an_identity_is_cached_for_seconds(authenticator: Authenticator, world: Doubles, clock: Clock) -> None:
    await authenticator.authenticate("u1")
    world.users["u1"] = Identity("ann", Role.USER, True)
    clock.now += CACHE_SECONDS - 0.1
    await authenticator.authenticate("u1")
    assert world.asked == ["u1"]
    clock.now += 0.1
    with pytest.raises(Forbidden):
        await authenticator.authenticate("u1")


async def test_a_notice_invalidates_the_cached_identity(authenticator: Authenticator, world: Doubles) -> None:
    await authenticator.authenticate("u1")
    world.users["u1"] = Identity("ann", Role.USER, True)
    authenticator.forget("other")
    await authenticator.authenticate("u1")
    authenticator.forget("u1")
    with pytest.raises(Forbidden):
        await authenticator.authenticate("u1")


async def test_an_identity_read_during_a_notice_is_not_cached(
    authenticator: Authenticator, world: Doubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = world.identity

    async def slow(user_id: str) -> Identity | None:
        identity = await read(user_id)
        world.users["u1"] = Identity("ann", Role.USER, True)
        authenticator.forget("u1")
        return identity

    monkeypatch.setattr(world, "identity", slow)
    await authenticator.authenticate("u1")  # it came before the change
    with pytest.raises(Forbidden):
        await authenticator.authenticate("u1")


async def test_unknown_users_are_not_cached(authenticator: Authenticator, world: Doubles) -> None:
    with pytest.raises(AuthRequired):
        await authenticator.authenticate("u2")
    world.users["u2"] = Identity("bob", Role.USER, False)
    assert (await authenticator.authenticate("u2")).username == "bob"


async def test_the_cache_of_identities_is_bounded(authenticator: Authenticator, world: Doubles) -> None:
    for number in range(CACHE_SIZE + 1):
        world.users[str(number)] = Identity("x", Role.USER, False)
        await authenticator.authenticate(str(number))
    await authenticator.authenticate("1")
    await authenticator.authenticate("0")
    assert world.asked[CACHE_SIZE + 1 :] == ["0"]


def headers(**values: str) -> CIMultiDict[str]:
    return CIMultiDict(values)


@pytest.mark.parametrize(
    ("auth", "sent", "cookie", "found"),
    [
        ({"token": "a"}, {"authorization": "Bearer b"}, "c", ["a"]),
        ({"token": "Bearer a"}, {"authorization": "Bearer b"}, "c", ["a"]),
        ({"token": "bearer  a"}, {}, None, ["a"]),
        ({"token": "Bearera"}, {}, None, ["Bearera"]),
        ({}, {"authorization": "Bearer b"}, "c", ["b"]),
        (None, {"AUTHORIZATION": "bearer  b "}, "c", ["b"]),
        (None, {}, "c", ["c"]),
        ({"token": None}, {}, "c", ["c"]),
        ({"token": ""}, {"authorization": "Bearer b"}, "c", ["b"]),
        ({"token": ""}, {}, None, []),
        (None, {"Authorization": "Basic eDp5"}, "c", ["c"]),
        (None, {"Authorization": "Bearer"}, "c", [""]),
        (None, {}, "", []),
        (None, {}, None, []),
        ("a", {}, None, []),
        (["a"], {}, None, []),
    ],
)
def test_sources_of_tokens(auth: Any, sent: dict[str, str], cookie: str | None, found: list[str]) -> None:
    cookies = MultiDict() if cookie is None else MultiDict(accessToken=cookie)
    assert extract_tokens(auth, headers(**sent), cookies) == found


def test_cookies_of_the_same_name_are_tried_up_to_a_bound() -> None:
    cookies = MultiDict([("accessToken", value) for value in ("b", "", "a", "b")])
    assert extract_tokens(None, headers(), cookies) == ["b", "a"]
    many = MultiDict([("accessToken", str(number)) for number in range(100)])
    assert extract_tokens(None, headers(), many) == [str(number) for number in range(SAME_NAME)]


@pytest.mark.parametrize("wrong", [0, 1, True, ["a"], {"a": 1}])
def test_a_token_that_is_not_a_string_is_refused_without_trying_others(wrong: object) -> None:
    with pytest.raises(AuthRequired, match="Invalid token"):
        extract_tokens({"token": wrong}, headers(Authorization="Bearer b"), MultiDict(accessToken="c"))


class Answers:
    """An authenticator that knows one token, and says of others what their name says."""

    async def authenticate(self, token: str | None) -> Principal:
        match token:
            case "good":
                moment = datetime.now(UTC)
                return Principal("u", "ann", Role.USER, "s", moment, moment)
            case "expired":
                raise AuthRequired("Token expired", Code.TOKEN_EXPIRED)
            case "banned":
                raise GatewayError(Code.BANNED)
            case None:
                raise AuthRequired("No token provided")
        raise AuthRequired("Invalid token")


@pytest.mark.parametrize("tokens", [["good"], ["foreign", "good"], ["expired", "good", "banned"], ["", "good"]])
async def test_the_first_valid_token_is_used(tokens: list[str]) -> None:
    assert (await authenticate_first(stand_in(Answers()), tokens)).user_id == "u"


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([], "No token provided"),
        (["foreign"], "Invalid token"),
        (["foreign", "expired"], "Token expired"),
        (["expired", "foreign"], "Token expired"),
        (["foreign", "banned", "good"], "BANNED"),
    ],
)
async def test_without_a_valid_token_the_most_specific_error_is_raised(tokens: list[str], message: str) -> None:
    with pytest.raises(GatewayError, match=message):
        await authenticate_first(stand_in(Answers()), tokens)


@pytest.mark.parametrize("role", [Role.USER, Role.HOST, Role.MODERATOR])
async def test_banned_users_are_refused(authenticator: Authenticator, world: Doubles, role: Role) -> None:
    world.users["u1"] = Identity("ann", role, False)
    await authenticator.authenticate("u1")
    world.banned.add("u1")
    with pytest.raises(GatewayError, match="BANNED"):
        await authenticator.authenticate("u1")
    world.banned.clear()
    await authenticator.authenticate("u1")


async def test_bans_apply_to_guests_but_not_to_administrators(authenticator: Authenticator, world: Doubles) -> None:
    world.banned |= {"u1", "guest_1"}
    world.users["u1"] = Identity("ann", Role.ADMIN, False)
    await authenticator.authenticate("u1")
    world.role = Role.GUEST
    with pytest.raises(GatewayError, match="BANNED"):
        await authenticator.authenticate("guest_1")


async def test_a_refusal_is_freed_without_the_garbage_collector() -> None:
    """In a cycle, those of a flood wait for the collector, which then holds up everybody."""

    class Refusing:
        async def authenticate(self, _token: str | None) -> Principal:
            raise AuthRequired("Invalid token")

    gc.collect()
    gc.disable()
    try:
        try:
            await authenticate_first(stand_in(Refusing()), ["a", "b"])
        except AuthRequired as error:
            refused = weakref.ref(error)
        assert refused() is None
    finally:
        gc.enable()
