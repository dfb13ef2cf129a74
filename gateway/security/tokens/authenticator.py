"""Who may come in: a token becomes a Principal, or a refusal in the wire's words. Called by both edges."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from multidict import MultiMapping

from gateway.errors import AuthRequired, Code, Forbidden
from gateway.security.browsers.cookies import candidates
from gateway.security.principal import Principal, Role
from gateway.security.sessions import guest_ids as guest
from gateway.security.tokens.revocations import Bearer
from gateway.security.tokens.tokens import Claims

COOKIE = "accessToken"
CACHE_SECONDS = 5.0  # how long a node may go on with what it knew of a user when it missed the notice of a change
CACHE_SIZE = 10_000  # users; about 3 MB


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known of a user beyond their token."""

    username: str
    role: Role
    suspended: bool


class Verifier(Protocol):
    """Reads access tokens."""

    def verify_access(self, token: str | None) -> Claims:
        """Raises AuthRequired."""


class Blacklist(Protocol):
    """Knows what was revoked."""

    async def check(self, bearer: Bearer) -> None:
        """Raises AuthRequired(TOKEN_REVOKED), or Unavailable."""


class Identities(Protocol):
    """Knows the users."""

    async def identity(self, user_id: str) -> Identity | None:
        """None if there is no such user. Raises Unavailable."""


class Guests(Protocol):
    """Knows the guests."""

    async def use(self, bearer: Bearer) -> None:
        """A guest is here: what they have lives on. Raises AuthRequired(TOKEN_REVOKED), or Unavailable."""


class Bans(Protocol):
    """Knows who is banned."""

    async def check(self, user_id: str) -> None:
        """Raises GatewayError(BANNED) for a user or a guest who is banned everywhere, or Unavailable."""


class Authenticator:
    """Fails closed: while Redis or the database does not answer, nobody comes in that they would have to vouch for."""

    def __init__(
        self,
        tokens: Verifier,
        revocations: Blacklist,
        identities: Identities,
        guests: Guests,
        bans: Bans,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._revocations = revocations
        self._identities = identities
        self._guests = guests
        self._bans = bans
        self._clock = clock
        self._known: OrderedDict[str, tuple[Identity, float]] = OrderedDict()
        self._changes = 0  # that were told

    async def authenticate(self, token: str | None) -> Principal:
        """The caller behind an access token.

        Raises AuthRequired (`No token provided`, `Invalid token`, `Token expired`, `Token has been revoked`), Forbidden
        (`Account is suspended`), BANNED or Unavailable.
        """
        claims = self._tokens.verify_access(token)
        if claims.role is Role.GUEST:
            await self._guests.use(claims)
            await self._bans.check(claims.user_id)
            return _principal(claims, guest.name_of(claims.user_id), Role.GUEST)
        identity = await self._identity(claims.user_id)
        if identity is None:
            raise AuthRequired("Invalid token")
        if identity.suspended:  # asked first: a suspension revokes as well, and this is what it is to be told as
            raise Forbidden("Account is suspended")
        await self._revocations.check(claims)
        if identity.role is not Role.ADMIN:  # whom nothing holds, nor what was imposed before they became one
            await self._bans.check(claims.user_id)
        # The role of the account, not of the token: a token that says more than is true any more gives nothing.
        return _principal(claims, identity.username, identity.role)

    def forget(self, user_id: str) -> None:
        """Ask the database again about a user: their name, role or status has changed."""
        self._changes += 1
        self._known.pop(user_id, None)

    async def _identity(self, user_id: str) -> Identity | None:
        entry = self._known.get(user_id)
        if entry is not None and entry[1] > self._clock():
            return entry[0]
        asked, changes = self._clock(), self._changes
        identity = await self._identities.identity(user_id)
        self._known.pop(user_id, None)
        if identity is not None and changes == self._changes:  # else it may have been read before the change
            self._known[user_id] = identity, asked + CACHE_SECONDS
            if len(self._known) > CACHE_SIZE:
                self._known.popitem(last=False)
        return identity


def extract_tokens(auth: object, headers: Mapping[str, str], cookies: MultiMapping[str]) -> list[str]:
    """Return the access tokens that a handshake or a request brings: `auth.token`, else `Authorization: Bearer`, else
    every cookie of that name, in order.

    `headers` is a case-insensitive mapping; an empty `auth.token` is none, as clients send it that have nobody logged
    in. Raises AuthRequired if it is not a text.
    """
    if isinstance(auth, Mapping) and (token := auth.get("token")) not in (None, ""):
        if not isinstance(token, str):
            raise AuthRequired("Invalid token")
        return [token]
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return [credentials.strip()]
    return candidates(cookies, COOKIE)


class SingleAuthenticator(Protocol):
    """Turns a token into a principal."""

    async def authenticate(self, token: str | None) -> Principal:
        """Raises GatewayError with the wire's refusal texts."""


async def authenticate_first(authenticator: SingleAuthenticator, tokens: Sequence[str]) -> Principal:
    """Return the caller behind the first token that is good.

    If none is, the error says most about the one that was ours: that it has expired or was revoked, rather than that
    another one is invalid. Raises what Authenticator.authenticate raises.
    """
    refusal: AuthRequired | None = None
    for token in tokens or (None,):
        try:
            return await authenticator.authenticate(token)
        except AuthRequired as error:
            if refusal is None or refusal.code is Code.AUTH_REQUIRED:
                refusal = error
    raise refusal or AuthRequired("No token provided")


def _principal(claims: Claims, username: str, role: Role) -> Principal:
    return Principal(
        user_id=claims.user_id,
        username=username,
        role=role,
        session_id=claims.session_id,
        token_id=claims.token_id,
        issued_at=claims.issued_at,
        expires_at=claims.expires_at,
    )
