"""Revocations in PostgreSQL, from which Redis is restored. Called by revocations.py."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.clocks import now
from gateway.postgres.database import Database
from models.main.revocation import Revocation

EXPIRED = 1000  # rows deleted in one step

KEEP = """
    INSERT INTO revocations (key, value, expires_at)
    SELECT DISTINCT key, $2, $3::timestamptz FROM unnest($1::text[]) AS key
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
"""
FORGET = """
    DELETE FROM revocations WHERE key IN (
        SELECT key FROM revocations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


class StoredRevocation(NamedTuple):
    """A key of Redis with its value and the time of its expiry."""

    key: str
    value: str
    expires_at: datetime


class StoredRevocations:
    """Reads and writes the table of revocations. Raises Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, keys: Sequence[str], value: str, lifetime: timedelta) -> None:
        """Store one value under several keys."""
        if keys:
            async with self._database.guard("revocations.keep"):
                await self._database.query(KEEP, list(keys), value, now() + lifetime)

    async def values(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the values of these keys; expired and missing ones are left out."""
        async with self._database.guard("revocations.read"):
            rows = await Revocation.filter(key__in=set(keys), expires_at__gt=now())
        return {row.key: row.value for row in rows}

    async def after(self, key: str, limit: int) -> list[StoredRevocation]:
        """Return up to `limit` unexpired entries after a key, in the order of keys."""
        async with self._database.guard("revocations.read"):
            rows = await Revocation.filter(key__gt=key, expires_at__gt=now()).order_by("key").limit(limit)
        return [StoredRevocation(row.key, row.value, row.expires_at) for row in rows]

    async def delete_expired(self) -> None:
        """Delete expired entries, at most EXPIRED of them."""
        async with self._database.guard("revocations.expire"):
            await self._database.query(FORGET, now(), EXPIRED)
