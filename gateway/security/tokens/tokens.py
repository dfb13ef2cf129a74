"""Access tokens, as signed JWTs. Issued by accounts, verified by the authenticator at every connect and request."""

import json
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import jwt
from jwt.utils import base64url_decode

from gateway.clocks import redis_clock
from gateway.errors import AuthRequired, Code
from gateway.security.principal import Role
from gateway.security.tokens.signing_keys import Keyring
from gateway.settings import Settings

MAX_TOKEN = 4096  # characters; ours have about 500
SKEW = 10.0  # s by which a token may be issued in the future: its issuer may not have reached Redis
REMEMBERED = 1024  # tokens with a verified signature that are cached
REQUIRED = ["sub", "role", "sid", "jti", "type", "iat", "exp", "iss", "aud"]


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a valid access token."""

    user_id: str
    role: Role
    session_id: str
    issued_at: datetime
    expires_at: datetime


class Tokens:
    """Issues and verifies access tokens. The `kid` in the header selects the key, the key decides the algorithm."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = redis_clock.time) -> None:
        self._keys = Keyring(settings)
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._lifetime = settings.jwt_expiration.total_seconds()
        self._clock = clock
        # A client sends the same token to each namespace and with each request. Only valid tokens are cached.
        self._signed = lru_cache(maxsize=REMEMBERED)(self._read)

    def issue_access(self, user_id: str, role: Role, session_id: str, issued_at: float | None = None) -> str:
        """Return a new token for a session of a user.

        `issued_at` is in s since 1970 by Redis' clock; the scripts that open or renew a session return it.
        """
        now = self._clock() if issued_at is None else issued_at
        claims = {
            "sub": user_id,
            "role": role.value,
            "sid": session_id,
            "jti": secrets.token_urlsafe(16),
            "type": "access",
            # Microseconds: a revocation of earlier tokens must not include a login of the same second.
            "iat": round(now, 6),
            "exp": math.ceil(now + self._lifetime),
            "iss": self._issuer,
            "aud": self._audience,
        }
        key = self._keys.signing
        return jwt.encode(claims, key.signs, algorithm=key.algorithm, headers={"kid": key.kid})

    def public_keys(self) -> dict[str, list[dict[str, Any]]]:
        """Return the keys with which other services verify our tokens, as a JSON Web Key Set."""
        return self._keys.public_keys()

    def verify_access(self, token: str | None) -> Claims:
        """Return the claims of a valid, unexpired token.

        Raises AuthRequired: `No token provided`, `Invalid token`, or `Token expired` for one that is valid otherwise.
        """
        if token is None:
            raise AuthRequired("No token provided")
        if len(token) > MAX_TOKEN:
            raise AuthRequired("Invalid token")
        claims = self._signed(token)
        if claims.issued_at.timestamp() > self._clock() + SKEW:
            raise AuthRequired("Invalid token")
        if claims.expires_at.timestamp() <= self._clock():
            raise AuthRequired("Token expired", Code.TOKEN_EXPIRED)
        return claims

    def _read(self, token: str) -> Claims:
        payload = self._payload(token)
        if payload["type"] != "access":
            raise AuthRequired("Invalid token")
        return _claims(payload)

    def _payload(self, token: str) -> dict[str, Any]:
        try:
            key = self._keys.find(_kid(token.partition(".")[0]))
            if key is None:
                raise AuthRequired("Invalid token")
            return jwt.decode(
                token,
                key.verifies,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                # verify_access compares both times, by Redis' clock, and raises another error for an expired token.
                options={"require": REQUIRED, "strict_aud": True, "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            # From None: parts of a forged token must not appear in a traceback.
            raise AuthRequired("Invalid token") from None


@lru_cache(maxsize=64)  # the tokens of one key begin with the same header
def _kid(encoded: str) -> object:
    """Return the `kid` of an encoded header. jwt.get_unverified_header parses the whole token, as jwt.decode does."""
    header = json.loads(base64url_decode(encoded))
    return header.get("kid") if isinstance(header, dict) else None


def _claims(payload: dict[str, Any]) -> Claims:
    try:
        _text(payload["jti"])
        return Claims(
            user_id=_text(payload["sub"]),
            role=Role(payload["role"]),
            session_id=_text(payload["sid"]),
            issued_at=_moment(payload["iat"]),
            expires_at=_moment(payload["exp"]),
        )
    except (ValueError, OverflowError, OSError):
        raise AuthRequired("Invalid token") from None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("not text")
    return value


def _moment(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a timestamp")  # noqa: TRY004  all errors here have one answer
    return datetime.fromtimestamp(value, UTC)
