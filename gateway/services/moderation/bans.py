"""Reads bans in force. Checked for every connect and HTTP request, and for open sockets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.concurrency.batcher import Batcher
from gateway.errors import Code, Unavailable
from gateway.postgres.database import Database
from gateway.protocol.payloads.moderation import Banned, until
from gateway.services.chat.standing_errors import standing_error

IN_FORCE = """
    SELECT subject_id, stream_key, ends_at, reason FROM sanctions
    WHERE kind = 'BAN' AND subject_id = ANY($1)
        AND lifted_at IS NULL AND (ends_at IS NULL OR ends_at > clock_timestamp())
"""

BATCH = 500  # ids in one statement
WAITING = 10_000  # checks without an answer; further ones are refused with Unavailable


class Bans:
    """Checks bans without a cache, so that a lost notice admits nobody. Concurrent checks share one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._checks: Batcher[str, datetime | None] = Batcher(
            "bans", self._ends, most=BATCH, waiting=WAITING, unavailable=Unavailable
        )

    async def check(self, user_id: str) -> None:
        """Check that a user or guest is not banned everywhere. Raises BANNED, Unavailable."""
        ends_at = await self._checks.call(user_id)
        if ends_at is not None:
            raise standing_error(Code.BANNED, until=ends_at)

    async def of(self, user_ids: Sequence[str]) -> list[tuple[str, Banned]]:
        """Return the bans in force of these users and guests, everywhere and from rooms. Raises Unavailable."""
        rows = await self._in_force(user_ids)
        return [
            (row["subject_id"], Banned(live_id=row["stream_key"], until=until(row["ends_at"]), reason=row["reason"]))
            for row in rows
        ]

    async def close(self) -> None:
        """Refuse further checks."""
        await self._checks.close()

    async def _ends(self, user_ids: list[str]) -> list[datetime | None]:
        rows = await self._in_force(user_ids)
        ends = {row["subject_id"]: until(row["ends_at"]) for row in rows if row["stream_key"] is None}
        return [ends.get(user_id) for user_id in user_ids]

    async def _in_force(self, user_ids: Sequence[str]) -> list[dict[str, Any]]:
        async with self._database.guard("bans"):
            return await self._database.query(IN_FORCE, list(user_ids))
