"""Authenticates callers: makes a Principal from an access token, or raises the error to answer. Used by both edges."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from multidict import MultiMapping

from gateway.errors import AuthRequired, Code, Forbidden, GatewayError, Unavailable
from gateway.security.browsers.cookies import candidates
from gateway.security.principal import Principal, Role
from gateway.security.sessions import guest_ids as guest
from gateway.security.sessions.guest_sessions import GuestSessions
from gateway.security.sessions.refresh_tokens import RefreshTokens
from gateway.security.tokens.revocations import Revocations
from gateway.security.tokens.tokens import Claims, Tokens

COOKIE = "accessToken"
CACHE_SECONDS = 5.0  # for which a node may use an old identity if it missed the notice of a change
CACHE_SIZE = 10_000  # users; about 3 MB


@dataclass(frozen=True, slots=True)
class Identity:
    """The data of a user that is not in the token. `role` is USER while the user must change their password."""

    username: str
    role: Role
    suspended: bool
    must_change_password: bool = False


class Identities(Protocol):
    """Looks up users."""

    async def identity(self, user_id: str) -> Identity | None:
        """Return the identity of a user, None if there is no such user. Raises Unavailable."""


class Bans(Protocol):
    """Looks up bans."""

    async def check(self, user_id: str) -> None:
        """Raise GatewayError(BANNED) for a user or a guest who is banned everywhere. Raises Unavailable."""


class Authenticator:
    """Authenticates tokens. Refuses callers that cannot be verified while Redis or the database does not answer."""

    def __init__(
        self,
        tokens: Tokens,
        revocations: Revocations,
        identities: Identities,
        sessions: RefreshTokens,
        guests: GuestSessions,
        bans: Bans,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._revocations = revocations
        self._identities = identities
        self._sessions = sessions
        self._guests = guests
        self._bans = bans
        self._clock = clock
        self._cache: OrderedDict[str, tuple[Identity, float]] = OrderedDict()
        self._changes = 0  # number of calls of `forget`

    async def authenticate(self, token: str | None) -> Principal:
        """Return the caller of an access token.

        Raises AuthRequired (`No token provided`, `Invalid token`, `Token expired`, `Token has been revoked`), Forbidden
        (`Account is suspended`), GatewayError(BANNED) or Unavailable.
        """
        claims = self._tokens.verify_access(token)
        if claims.role is Role.GUEST:
            await self._guests.use(claims)
        identity = await self._account(claims)
        return Principal(
            user_id=claims.user_id,
            username=identity.username,
            role=identity.role,
            session_id=claims.session_id,
            issued_at=claims.issued_at,
            expires_at=claims.expires_at,
            must_change_password=identity.must_change_password,
        )

    async def renew(self, principals: Sequence[Principal]) -> list[Principal | None]:
        """Return the current principal of each caller who may stay after the access token expired, None for others.

        For open sockets. A caller may stay if the session exists and a new token of it would be accepted. The times are
        those of the old token. Raises Unavailable.
        """
        live: set[tuple[str, str]] = set()
        for sessions, guests in ((self._guests, True), (self._sessions, False)):
            checked = {(who.user_id, who.session_id): who for who in principals if (who.role is Role.GUEST) is guests}
            if checked:
                found = await sessions.exist(list(checked.values()))
                live.update(key for key, exists in zip(checked, found, strict=True) if exists)
        return await asyncio.gather(
            *(self._renewed(who, live=(who.user_id, who.session_id) in live) for who in principals)
        )

    async def _renewed(self, who: Principal, *, live: bool) -> Principal | None:
        if not live:
            return None
        try:
            identity = await self._account(who)
        except Unavailable:
            raise
        except GatewayError:
            return None
        return replace(who, username=identity.username, role=identity.role)

    async def _account(self, bearer: Claims | Principal) -> Identity:
        """Return the identity of a caller who may stay. Raises the errors of `authenticate`."""
        if bearer.role is Role.GUEST:
            await self._bans.check(bearer.user_id)
            return Identity(guest.name_of(bearer.user_id), Role.GUEST, suspended=False)
        identity = await self._identity(bearer.user_id)
        if identity is None:
            raise AuthRequired("Invalid token")
        if identity.suspended:  # first: a suspension also revokes, and the answer must name the suspension
            raise Forbidden("Account is suspended")
        await self._revocations.check(bearer)
        if identity.role is not Role.ADMIN:  # no ban applies to administrators
            await self._bans.check(bearer.user_id)
        # The role of the account, not of the token, which may be outdated.
        return identity

    async def identify(self, user_ids: Sequence[str]) -> dict[str, Identity]:
        """Read accounts from the database, not from the cache; unknown ones are left out. Raises Unavailable."""
        found = await asyncio.gather(*(self._identities.identity(user_id) for user_id in user_ids))
        return {user_id: identity for user_id, identity in zip(user_ids, found, strict=True) if identity is not None}

    def forget(self, user_id: str) -> None:
        """Delete a user, whose name, role or status has changed, from the cache."""
        self._changes += 1
        self._cache.pop(user_id, None)

    async def _identity(self, user_id: str) -> Identity | None:
        entry = self._cache.get(user_id)
        if entry is not None and entry[1] > self._clock():
            return entry[0]
        started, changes = self._clock(), self._changes
        identity = await self._identities.identity(user_id)
        self._cache.pop(user_id, None)
        if identity is not None and identity.must_change_password:
            return identity  # not cached: the request after the change of the password must be served
        if identity is not None and changes == self._changes:  # else it may have been read before the change
            self._cache[user_id] = identity, started + CACHE_SECONDS
            if len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        return identity


def extract_tokens(auth: object, headers: Mapping[str, str], cookies: MultiMapping[str]) -> list[str]:
    """Return the access tokens of a handshake or a request, in order.

    That is `auth.token`, with or without a leading `Bearer `, else `Authorization: Bearer`, else all cookies named
    accessToken. `headers` is a case-insensitive mapping. An empty `auth.token`, which clients send before login, counts
    as missing. Raises AuthRequired if it is not a string.
    """
    if isinstance(auth, Mapping) and (token := auth.get("token")) not in (None, ""):
        if not isinstance(token, str):
            raise AuthRequired("Invalid token")
        scheme, _, credentials = token.partition(" ")
        return [credentials.strip() if scheme.lower() == "bearer" else token]
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return [credentials.strip()]
    return candidates(cookies, COOKIE)


async def authenticate_first(authenticator: Authenticator, tokens: Sequence[str]) -> Principal:
    """Return the caller of the first valid token.

    If none is valid, raise the most specific error: that a token expired or was revoked, rather than that another one
    is invalid. Raises the errors of Authenticator.authenticate.
    """
    refusal: AuthRequired | None = None
    for token in tokens or (None,):
        try:
            return await authenticator.authenticate(token)
        except AuthRequired as error:
            if refusal is None or refusal.code is Code.AUTH_REQUIRED:
                refusal = error
    try:
        raise refusal or AuthRequired("No token provided")
    finally:
        refusal = None  # breaks the reference cycle of error and frame
