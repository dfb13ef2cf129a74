"""Refresh tokens and their sessions, in Redis. Called by the sessions service.

A refresh token is opaque, not a JWT, because each use looks it up. It is `<user id>.<session id>.<256 random bits>`:
the ids find the session, the bits are the secret. Redis holds only its SHA-256.

A refresh exchanges the token for its successor, which is HMAC(token, salt) with a random salt that Redis keeps for a
few seconds. Concurrent callers with the same token (two tabs, a lost answer) get the same successor on any node, and
Redis never holds a token. A token that is used again later must have been copied, so its session ends.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway import keys
from gateway.errors import AuthRequired
from gateway.redis.client import RedisClient
from gateway.security.principal import Bearer

GRACE = timedelta(seconds=10)  # in which callers with the same token count as concurrent
MAX_SESSIONS = 100  # of one user; above that the oldest ends, so that no script can fill Redis
MAX_DEVICE = 256  # characters of a user agent that are stored
# A value of more than 64 bytes doubles the memory of a hash in Redis, so a user agent is split into fields.
PART = 64
DEVICE_FIELDS = ("device", "device2", "device3", "device4")

_FORM = re.compile(r"([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Grant:
    """A live refresh token with its user and session."""

    user_id: str
    session_id: str
    token: str = field(repr=False)
    # In s since 1970 by Redis' clock; None: the time of the process.
    issued_at: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session, as its user may see it."""

    session_id: str
    device: str
    created_at: datetime
    last_used_at: datetime


class ReplayedError(Exception):
    """A used token was used again, so it was copied; its session was deleted."""

    def __init__(self, user_id: str, session_id: str) -> None:
        super().__init__("a refresh token was used twice")
        self.user_id = user_id
        self.session_id = session_id


class RefreshTokens:
    """Each token is valid for `lifetime` after it was issued. Raises Unavailable."""

    def __init__(self, redis: RedisClient, lifetime: timedelta, grace: timedelta = GRACE) -> None:
        self._redis = redis
        self._ttl_ms = self._unused_ms = int(lifetime.total_seconds() * 1000)
        self._grace_ms = int(grace.total_seconds() * 1000)
        self._save, self._rotate = redis.script(__package__, "save"), redis.script(__package__, "rotate")
        self._delete, self._delete_all = redis.script(__package__, "delete"), redis.script(__package__, "delete_all")

    async def save(self, user_id: str, device: str) -> Grant:
        """Open a session and return its first token."""
        grant = first(user_id)
        async with self._redis.guard("refresh.save"):
            issued_at = await self._save(
                keys=[keys.session(user_id, grant.session_id), keys.user_sessions(user_id),
                      keys.revoked(user_id, "sub")],
                args=[fingerprint(grant.token), self._unused_ms, grant.session_id, MAX_SESSIONS,
                      keys.session(user_id, ""), *device_parts(device)],
            )  # fmt: skip
        return replace(grant, issued_at=float(issued_at))

    async def look_up(self, token: str) -> Grant | None:
        """Return the session of a token, if it is the current token of a live session."""
        if _FORM.fullmatch(token) is None:
            return None
        user_id, session_id = ids(token)
        async with self._redis.guard("refresh.look_up"):
            current: Any = await self._redis.client.hget(keys.session(user_id, session_id), "current")
        if current is None or not hmac.compare_digest(current, fingerprint(token)):
            return None
        return Grant(user_id, session_id, token)

    async def rotate(self, token: str) -> Grant:
        """Exchange a token for its successor; concurrent callers get the same one.

        Raises AuthRequired for a token of no live session, ReplayedError for one that was used earlier.
        """
        user_id, session_id = ids(token)
        salt = secrets.token_hex(32)
        async with self._redis.guard("refresh.rotate"):
            outcome, kept, issued_at = await self._rotate(
                keys=[*session_keys(user_id, session_id), keys.user_sessions(user_id), keys.revoked(user_id, "sub")],
                args=[fingerprint(token), fingerprint(successor(user_id, session_id, token, salt)), salt, self._ttl_ms,
                      self._grace_ms, session_id],
            )  # fmt: skip
        if outcome == "replayed":
            raise ReplayedError(user_id, session_id)
        if outcome == "unknown":
            raise AuthRequired("Invalid token")
        return Grant(user_id, session_id, successor(user_id, session_id, token, kept), float(issued_at))

    async def exist(self, bearers: Sequence[Bearer]) -> list[bool]:
        """Return for each bearer whether the session exists, in one round trip."""
        async with self._redis.guard("refresh.exist"):
            pipeline = self._redis.client.pipeline(transaction=False)
            for bearer in bearers:
                pipeline.exists(keys.session(bearer.user_id, bearer.session_id))
            return [bool(count) for count in await pipeline.execute()]

    async def delete(self, user_id: str, session_id: str) -> bool:
        """End one session; return False if the user has no such session."""
        async with self._redis.guard("refresh.delete"):
            return bool(
                await self._delete(
                    keys=[*session_keys(user_id, session_id), keys.user_sessions(user_id)], args=[session_id]
                )
            )

    async def delete_all(self, user_id: str, keep: str | None = None) -> list[str]:
        """End all sessions of a user except `keep`; return the ids of those that ended."""
        async with self._redis.guard("refresh.delete_all"):
            return list(
                await self._delete_all(keys=[keys.user_sessions(user_id)], args=[keys.session(user_id, ""), keep or ""])
            )

    async def sessions(self, user_id: str) -> list[SessionRecord]:
        """Return the live sessions of a user, last used first."""
        async with self._redis.guard("refresh.sessions"):
            ids: list[Any] = await self._redis.client.zrange(keys.user_sessions(user_id), 0, -1)
            pipeline = self._redis.client.pipeline(transaction=False)
            for session_id in ids:
                pipeline.hmget(keys.session(user_id, session_id), "created", "used", *DEVICE_FIELDS)
            found: list[Any] = await pipeline.execute()
        records = [
            SessionRecord(session_id, "".join(filter(None, device)), _moment(created), _moment(used))
            for session_id, (created, used, *device) in zip(ids, found, strict=True)
            if used is not None  # expired, but still in the index
        ]
        return sorted(records, key=lambda record: record.last_used_at, reverse=True)


def first(user_id: str) -> Grant:
    """Return the first token of a new session."""
    session_id = secrets.token_urlsafe(16)
    return Grant(user_id, session_id, _token(user_id, session_id, secrets.token_bytes(32)))


def successor(user_id: str, session_id: str, token: str, salt: str) -> str:
    """Return the successor of a token, from the token and the salt."""
    return _token(user_id, session_id, hmac.digest(token.encode(), salt.encode(), "sha256"))


def fingerprint(token: str) -> str:
    """Return the form in which a token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def device_text(user_agent: str) -> str:
    """Return a user agent as it is stored: shortened, without bytes that are not text."""
    return user_agent[:MAX_DEVICE].encode(errors="replace").decode()


def device_parts(user_agent: str) -> list[str]:
    """Return a user agent as the arguments of HSET: names and values of fields."""
    text = device_text(user_agent)
    parts = [text[start : start + PART] for start in range(0, len(text), PART)]
    return [item for field in zip(DEVICE_FIELDS, parts or [""], strict=False) for item in field]


def ids(token: str) -> tuple[str, str]:
    """Return the user id and session id in a token, unverified. Raises AuthRequired for a malformed one."""
    match = _FORM.fullmatch(token)
    if match is None:
        raise AuthRequired("Invalid token")
    return match[1], match[2]


def session_keys(user_id: str, session_id: str) -> list[str]:
    """Return the keys of one session."""
    return [
        keys.session(user_id, session_id),
        keys.spent_refresh_tokens(user_id, session_id),
        keys.refresh_salt(user_id, session_id),
    ]


def _token(user_id: str, session_id: str, secret: bytes) -> str:
    return f"{user_id}.{session_id}.{base64.urlsafe_b64encode(secret).decode().rstrip('=')}"


def _moment(ms: str) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
