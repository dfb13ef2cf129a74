"""Revocations of access tokens that have not expired: of one token, a session, or all tokens of a user so far.

Kept in Redis, so that every node knows, and in PostgreSQL, so that a Redis without its data does not let anybody in.
Written by accounts; checked by the authenticator at every connect and request, and for the sockets that are open.
"""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from gateway import keys
from gateway.concurrency.batcher import Batcher
from gateway.errors import AuthRequired, Code, Unavailable
from gateway.protocol.wire import now
from gateway.redis.client import RedisClient
from gateway.security.principal import Bearer
from gateway.security.tokens.stored_revocations import StoredRevocations

log = structlog.get_logger()

# An access token may be signed a moment after its session was revoked, by a refresh that was under way.
MARGIN = timedelta(seconds=60)
BATCH = 200  # checks or entries in one round trip
VERIFY = timedelta(seconds=10)  # between two comparisons with PostgreSQL, by one of all nodes
ROUND = 1.0  # s between two questions whether it is time for that; a Redis without its data says yes
WAITING = 10_000  # checks without an answer: a crowd that comes at the same moment

_NO_SESSION = "-"


class Revocations:
    """Each lives as long as an access token that it could concern. Raises Unavailable while a server is away.

    What is written while Redis is away is in PostgreSQL, and holds from when Redis is back.
    """

    def __init__(self, redis: RedisClient, token_lifetime: timedelta, stored: StoredRevocations | None = None) -> None:
        """Without `stored` they are in Redis alone."""
        self._redis = redis
        self._lifetime = token_lifetime + MARGIN
        self._ttl_ms = int(self._lifetime.total_seconds() * 1000)
        self._stored = stored
        self._revoke_user = redis.script(__package__, "revoke_user")
        self._restore = redis.script(__package__, "restore_revocation")
        self._checks: Batcher[Bearer, bool] = Batcher(
            "redis", self.revoked, most=BATCH, waiting=WAITING, unavailable=Unavailable
        )

    async def close(self) -> None:
        """Stop; returns when pending checks have been answered."""
        await self._checks.close()

    async def revoke_token(self, user_id: str, token_id: str) -> None:
        """Revoke one access token."""
        await self._revoke([keys.revoked(user_id, "jti", token_id)])

    async def revoke_sessions(self, user_id: str, session_ids: Sequence[str]) -> None:
        """Revoke all access tokens of some sessions."""
        await self._revoke([keys.revoked(user_id, "sid", session_id) for session_id in session_ids])

    async def revoke_user(self, user_id: str, keep_sid: str | None = None) -> float:
        """Revoke all access tokens of a user issued until now, except those of the session `keep_sid`.

        Returns the moment up to which they are revoked, in s since 1970 by Redis' clock.
        """
        key, kept = keys.revoked(user_id, "sub"), keep_sid or _NO_SESSION
        try:
            async with self._redis.guard("revoke"):
                entry = str(await self._revoke_user(keys=[key], args=[kept, self._ttl_ms]))
        except Unavailable:
            await self._store([key], f"{now().timestamp():.6f} {kept} 0")
            raise
        await self._store([key], entry)
        return float(entry.partition(" ")[0])

    async def check(self, bearer: Bearer) -> None:
        """Raises AuthRequired(TOKEN_REVOKED) if any of it is revoked. Checks that come together share a round trip."""
        if await self._checks.call(bearer):
            raise AuthRequired("Token has been revoked", Code.TOKEN_REVOKED)

    async def revoked(self, bearers: Sequence[Bearer]) -> list[bool]:
        """Which of these are revoked, in one round trip: for the open sockets of a node that missed a notice.

        While Redis is away PostgreSQL is asked, which has all that was answered as revoked.
        """
        names = [
            (
                keys.revoked(bearer.user_id, "jti", bearer.token_id),
                keys.revoked(bearer.user_id, "sid", bearer.session_id),
                keys.revoked(bearer.user_id, "sub"),
            )
            for bearer in bearers
        ]
        try:
            async with self._redis.guard("revoked"):
                pipeline = self._redis.client.pipeline(transaction=False)
                for three in names:
                    pipeline.mget(*three)
                found = await pipeline.execute()
        except Unavailable:
            if self._stored is None:
                raise
            values = await self._stored.values([name for three in names for name in three])
            found = [[values.get(name) for name in three] for three in names]
        return [
            token is not None or session is not None or _before(bearer, user)
            for bearer, (token, session, user) in zip(bearers, found, strict=True)
        ]

    async def verify(self) -> int:
        """Put back what Redis has lost, if it is time and nobody else does it; how many entries. Raises Unavailable."""
        if self._stored is None:
            return 0
        async with self._redis.guard("revocations.verify"):
            if not await self._redis.client.set(keys.revocations_verified(), 1, nx=True, px=VERIFY):
                return 0
        try:
            restored = await self._put_back(self._stored)
            await self._stored.forget_expired()
        except Unavailable:
            async with self._redis.guard("revocations.verify"):
                await self._redis.client.delete(keys.revocations_verified())  # or it would be long until the next try
            raise
        if restored:
            log.warning("redis had lost revocations, they are back", count=restored)
        return restored

    async def _put_back(self, stored: StoredRevocations) -> int:
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
        finally:
            await self._store(names, "1")

    async def _store(self, names: Sequence[str], value: str) -> None:
        if self._stored is not None:
            await self._stored.keep(names, value, self._lifetime)


def _before(bearer: Bearer, value: str | None) -> bool:
    if value is None:
        return False
    moment, kept, own = value.split()
    return bearer.issued_at.timestamp() <= float(own if bearer.session_id == kept else moment)
