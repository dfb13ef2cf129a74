"""Revocations of unexpired access tokens: of a session, or of all tokens of a user issued so far.

They are in Redis, where all nodes check them, and in PostgreSQL, from which a Redis that lost its data is restored.
Written by the accounts services; checked by the authenticator at every connect and request, and for open sockets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from gateway import keys
from gateway.clocks import now
from gateway.concurrency.batcher import Batcher
from gateway.errors import AuthRequired, Code, Unavailable
from gateway.redis.client import RedisClient
from gateway.security.principal import Bearer
from gateway.security.tokens.stored_revocations import StoredRevocations

log = structlog.get_logger()

# A concurrent refresh may sign an access token a moment after its session was revoked.
MARGIN = timedelta(seconds=60)
BATCH = 200  # checks or entries in one round trip
VERIFY = timedelta(seconds=10)  # between two comparisons of Redis with PostgreSQL, made by one node
ROUND = 1.0  # s between two attempts of a node to make that comparison
WAITING = 10_000  # checks without an answer; clients may connect all at once

_NO_SESSION = "-"
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Session:
    """The bearer of a token that is issued later than any revocation."""

    user_id: str
    session_id: str
    issued_at: datetime = _LATEST


class Revocations:
    """Each revocation lasts as long as the tokens that it concerns. Raises Unavailable while a server is unavailable.

    Revocations made while Redis is unavailable are stored in PostgreSQL, and restored by the first node that notices
    that Redis answers again. Until then each node that has noticed the outage reads PostgreSQL, too.
    """

    def __init__(self, redis: RedisClient, token_lifetime: timedelta, stored: StoredRevocations | None = None) -> None:
        """Take the lifetime of access tokens; without `stored` keep revocations in Redis only."""
        self._redis = redis
        self._lifetime = token_lifetime + MARGIN
        self._ttl_ms = int(self._lifetime.total_seconds() * 1000)
        self._stored = stored
        self._failures = self._restored = 0  # failed calls of Redis; their number when it was restored last
        self._revoke_user = redis.script(__package__, "revoke_user")
        self._restore = redis.script(__package__, "restore_revocation")
        self._checks: Batcher[Bearer, bool] = Batcher(
            "redis", self.revoked, most=BATCH, waiting=WAITING, unavailable=Unavailable
        )

    async def close(self) -> None:
        """Stop, after pending checks have been answered."""
        await self._checks.close()

    async def revoke_sessions(self, user_id: str, session_ids: Sequence[str]) -> None:
        """Revoke all access tokens of some sessions."""
        await self._revoke([keys.revoked(user_id, "sid", session_id) for session_id in session_ids])

    async def revoke_user(self, user_id: str, keep_sid: str | None = None) -> float:
        """Revoke all access tokens of a user issued until now, except those of the session `keep_sid`.

        Returns the time up to which they are revoked, in s since 1970 by Redis' clock.
        """
        key, kept = keys.revoked(user_id, "sub"), keep_sid or _NO_SESSION
        try:
            async with self._redis.guard("revoke"):
                entry = str(await self._revoke_user(keys=[key], args=[kept, self._ttl_ms]))
        except Unavailable:
            self._failures += 1
            await self._store([key], f"{now().timestamp():.6f} {kept} 0")
            raise
        await self._store([key], entry)
        return float(entry.partition(" ")[0])

    async def check(self, bearer: Bearer) -> None:
        """Raise AuthRequired(TOKEN_REVOKED) if the session is revoked, or the user's tokens of that time.

        Concurrent checks share a round trip. Raises Unavailable.
        """
        if await self._checks.call(bearer):
            raise AuthRequired("Token has been revoked", Code.TOKEN_REVOKED)

    async def revoked(self, bearers: Sequence[Bearer]) -> list[bool]:
        """Return for each bearer whether it is revoked, in one round trip.

        While Redis is unavailable read PostgreSQL, which has every acknowledged revocation.
        """
        names = [
            (
                keys.revoked(bearer.user_id, "sid", bearer.session_id),
                keys.revoked(bearer.user_id, "sub"),
            )
            for bearer in bearers
        ]
        answers: list[list[bool]] = []
        try:
            async with self._redis.guard("revoked"):
                pipeline = self._redis.client.pipeline(transaction=False)
                for pair in names:
                    pipeline.mget(*pair)
                found = await pipeline.execute()
            answers.append(list(map(_revoked, bearers, found)))
        except Unavailable:
            if self._stored is None:
                raise
            self._failures += 1
        if self._stored is not None and self._failures != self._restored:
            values = await self._stored.values([name for pair in names for name in pair])
            found = [[values.get(name) for name in pair] for pair in names]
            answers.append(list(map(_revoked, bearers, found)))
        return list(map(any, zip(*answers, strict=True)))

    async def session_revoked(self, user_id: str, session_id: str) -> bool:
        """Return whether a session is revoked, whatever the time of issue of its tokens. Raises Unavailable."""
        return (await self.revoked([_Session(user_id, session_id)]))[0]

    async def verify(self) -> int:
        """Restore the entries that Redis lost, if it is due and no other node does it, or after an outage.

        Returns the number of restored entries. Raises Unavailable.
        """
        if self._stored is None:
            return 0
        failures = self._failures
        try:
            async with self._redis.guard("revocations.verify"):
                due = await self._redis.client.set(
                    keys.revocations_verified(), 1, nx=failures == self._restored, px=VERIFY
                )
        except Unavailable:
            self._failures += 1
            raise
        if not due:
            return 0
        try:
            restored = await self._restore_all(self._stored)
            self._restored = failures
            await self._stored.delete_expired()
        except Unavailable:
            async with self._redis.guard("revocations.verify"):
                await self._redis.client.delete(keys.revocations_verified())  # retry at the next round
            raise
        if restored:
            log.warning("revocations that redis had lost were restored", count=restored)
        return restored

    async def _restore_all(self, stored: StoredRevocations) -> int:
        restored, key = 0, ""
        while entries := await stored.after(key, BATCH):
            key = entries[-1].key
            async with self._redis.guard("revocations.restore"):
                pipeline = self._redis.client.pipeline(transaction=False)
                for entry in entries:
                    left = max(1, round((entry.expires_at - now()).total_seconds() * 1000))
                    await self._restore(keys=[entry.key], args=[entry.value, left], client=pipeline)
                restored += sum(await pipeline.execute())
        return restored

    async def _revoke(self, names: Sequence[str]) -> None:
        try:
            async with self._redis.guard("revoke"):
                pipeline = self._redis.client.pipeline(transaction=False)
                for name in names:
                    pipeline.set(name, "1", px=self._ttl_ms)
                await pipeline.execute()
        except Unavailable:
            self._failures += 1
            raise
        finally:
            await self._store(names, "1")

    async def _store(self, names: Sequence[str], value: str) -> None:
        if self._stored is not None:
            await self._stored.keep(names, value, self._lifetime)


def _revoked(bearer: Bearer, found: Sequence[str | None]) -> bool:
    session, user = found
    return session is not None or _before(bearer, user)


def _before(bearer: Bearer, value: str | None) -> bool:
    if value is None:
        return False
    moment, kept, own = value.split()
    return bearer.issued_at.timestamp() <= float(own if bearer.session_id == kept else moment)
