"""The sessions of guests in Redis: like those of users, but extended by each use. Called by guest_sessions.py."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway import keys
from gateway.clocks import now
from gateway.redis.client import RedisClient
from gateway.security.principal import Bearer
from gateway.security.sessions.refresh_tokens import GRACE, RefreshTokens, device_parts, session_keys
from models.main.guest import GuestSession


class GuestTokens(RefreshTokens):
    """A session lives `lifetime` from its last use, or `unused` if it is never used. Raises Unavailable."""

    def __init__(
        self, redis: RedisClient, lifetime: timedelta, grace: timedelta = GRACE, unused: timedelta | None = None
    ) -> None:
        super().__init__(redis, lifetime, grace)
        self._unused_ms = _ms(unused or lifetime)
        self._touch, self._restore = redis.script(__package__, "touch"), redis.script(__package__, "restore")

    async def touch(self, guest_id: str, session_id: str) -> bool:
        """Extend a session; return False if it is not here."""
        async with self._redis.guard("guests.touch"):
            return bool(
                await self._touch(
                    keys=_touched(guest_id, session_id),
                    args=[self._ttl_ms, session_id],
                )
            )

    async def touch_all(self, bearers: Sequence[Bearer]) -> list[bool]:
        """Extend several sessions in one round trip; return False for each that is not here."""
        async with self._redis.guard("guests.touch"):
            pipeline = self._redis.client.pipeline(transaction=False)
            for bearer in bearers:
                guest_id, session_id = bearer.user_id, bearer.session_id
                await self._touch(
                    keys=_touched(guest_id, session_id),
                    args=[self._ttl_ms, session_id],
                    client=pipeline,
                )
            return [bool(found) for found in await pipeline.execute()]

    async def restore(self, row: GuestSession) -> None:
        """Copy a session from PostgreSQL, with the rest of its lifetime, unless it is here already."""
        moment, device = now(), device_parts(row.device)
        salt_ms = 0 if row.rotated_at is None else self._grace_ms - _ms(moment - row.rotated_at)
        async with self._redis.guard("guests.restore"):
            await self._restore(
                keys=[*session_keys(row.guest_id, row.session_id), keys.user_sessions(row.guest_id)],
                args=[
                    row.session_id, row.current, _since_1970(row.created_at), _since_1970(row.used_at),
                    max(1, _ms(row.expires_at - moment)), self._ttl_ms, row.salt or "", salt_ms, len(device), *device,
                    *row.spent,
                ],
            )  # fmt: skip


def _touched(guest_id: str, session_id: str) -> list[str]:
    return [*session_keys(guest_id, session_id), keys.user_sessions(guest_id), keys.devices(guest_id)]


def _since_1970(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _ms(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
