"""What may no longer be used although it has not run out: tokens, sessions, all earlier tokens of a user.

Kept in Redis, so that every node knows. Written by accounts; checked by the authenticator at every connect and request,
and for the sockets that are open.
"""

from collections.abc import Sequence
from datetime import timedelta

from gateway import keys
from gateway.concurrency.batcher import Batcher
from gateway.errors import AuthRequired, Code, Unavailable
from gateway.redis.client import RedisClient
from gateway.security.principal import Bearer

# An access token may be signed a moment after its session was revoked, by a refresh that was under way.
MARGIN = timedelta(seconds=60)
BATCH = 200  # checks in one round trip
WAITING = 10_000  # checks without an answer: a crowd that comes at the same moment

# The value is "<moment> <sid> <moment>": tokens issued up to the first moment are revoked, those of the session `sid`
# only up to the second, which is what held for them before. All are by Redis' clock, as is when tokens are issued; the
# first never goes back, also if another server with another clock takes over.
_REVOKE_USER = """
local time = redis.call('TIME')
local moment, kept, own = string.format('%d.%06d', time[1], time[2]), ARGV[1], '0'
local old = redis.call('GET', KEYS[1])
if old then
  local all, sid, its = string.match(old, '^(%S+) (%S+) (%S+)$')
  own = (sid == kept) and its or all
  if tonumber(all) >= tonumber(moment) then moment = string.format('%.6f', tonumber(all) + 0.000004) end
end
redis.call('SET', KEYS[1], moment .. ' ' .. kept .. ' ' .. own, 'PX', ARGV[2])
return moment
"""
_NO_SESSION = "-"


class Revocations:
    """Each lives as long as an access token that it could concern. Raises Unavailable while Redis is away."""

    def __init__(self, redis: RedisClient, token_lifetime: timedelta) -> None:
        self._redis = redis
        self._ttl_ms = int((token_lifetime + MARGIN).total_seconds() * 1000)
        self._revoke_user = redis.client.register_script(_REVOKE_USER)
        self._checks: Batcher[Bearer, bool] = Batcher(
            "redis", self.revoked, most=BATCH, waiting=WAITING, unavailable=Unavailable
        )

    async def close(self) -> None:
        """Check no more; returns when what was asked is answered."""
        await self._checks.close()

    async def revoke_token(self, user_id: str, token_id: str) -> None:
        """One access token."""
        await self._revoke([keys.revoked(user_id, "jti", token_id)])

    async def revoke_sessions(self, user_id: str, session_ids: Sequence[str]) -> None:
        """All access tokens of some sessions."""
        await self._revoke([keys.revoked(user_id, "sid", session_id) for session_id in session_ids])

    async def revoke_user(self, user_id: str, keep_sid: str | None = None) -> float:
        """All access tokens of a user issued until now, except those of the session `keep_sid`.

        Answers the moment up to which they are revoked, in s since 1970 by Redis' clock.
        """
        async with self._redis.guard("revoke"):
            moment = await self._revoke_user(
                keys=[keys.revoked(user_id, "sub")],
                args=[keep_sid or _NO_SESSION, self._ttl_ms],
            )
        return float(moment)

    async def check(self, bearer: Bearer) -> None:
        """Raises AuthRequired(TOKEN_REVOKED) if any of it is revoked. Checks that come together share a round trip."""
        if await self._checks.call(bearer):
            raise AuthRequired("Token has been revoked", Code.TOKEN_REVOKED)

    async def revoked(self, bearers: Sequence[Bearer]) -> list[bool]:
        """Which of these are revoked, in one round trip: for the open sockets of a node that missed a notice."""
        async with self._redis.guard("revoked"):
            pipeline = self._redis.client.pipeline(transaction=False)
            for bearer in bearers:
                pipeline.mget(
                    keys.revoked(bearer.user_id, "jti", bearer.token_id),
                    keys.revoked(bearer.user_id, "sid", bearer.session_id),
                    keys.revoked(bearer.user_id, "sub"),
                )
            found = await pipeline.execute()
        return [
            token is not None or session is not None or _before(bearer, user)
            for bearer, (token, session, user) in zip(bearers, found, strict=True)
        ]

    async def _revoke(self, names: Sequence[str]) -> None:
        async with self._redis.guard("revoke"):
            pipeline = self._redis.client.pipeline(transaction=False)
            for name in names:
                pipeline.set(name, "1", px=self._ttl_ms)
            await pipeline.execute()


def _before(bearer: Bearer, value: str | None) -> bool:
    if value is None:
        return False
    moment, kept, own = value.split()
    return bearer.issued_at.timestamp() <= float(own if bearer.session_id == kept else moment)
