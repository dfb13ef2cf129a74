"""Forgets what has been kept for long enough: deleted texts, turns, devices. Run by all nodes, one at a time."""

from datetime import timedelta

from gateway.concurrency.periodic import Periodic
from gateway.errors import Unavailable
from gateway.keys import RETENTION_LOCK
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.moderation import LONGEST_SLOW_MODE

PAUSE = 60.0  # s between two looks; nearly always nothing
BATCH = 1000  # rows forgotten in one statement

# Whoever has the lock does it; the others have nothing to wait for.
FORGET = """
    WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1) AS held), old AS (
        SELECT message_id FROM message_deletions
        WHERE text IS NOT NULL AND created_at < clock_timestamp() - $2::interval AND (SELECT held FROM mine)
        ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE message_deletions d SET text = NULL FROM old WHERE d.message_id = old.message_id RETURNING d.message_id
"""

# Nobody asks for them any more, and a room that ends in slow mode would keep them. Few are left behind: no index.
FORGET_TURNS = """
    DELETE FROM chat_turns WHERE (stream_key, sender_id) IN (
        SELECT stream_key, sender_id FROM chat_turns
        WHERE spoke_at < clock_timestamp() - $1::interval LIMIT $2 FOR UPDATE SKIP LOCKED
    ) RETURNING sender_id
"""

# Devices of bans that have ended, and networks whose time is up.
FORGET_DEVICES = """
    WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1) AS held)
    DELETE FROM banned_devices WHERE id IN (
        SELECT d.id FROM banned_devices d JOIN sanctions s ON s.id = d.sanction_id
        WHERE (s.lifted_at IS NOT NULL OR s.ends_at < clock_timestamp() OR d.ends_at < clock_timestamp())
            AND (SELECT held FROM mine)
        LIMIT $2 FOR UPDATE OF d SKIP LOCKED
    ) RETURNING id
"""


class Retention:
    """Who deleted which message, when and why stays for good; what it said stays for `kept`."""

    def __init__(self, database: Database, kept: timedelta, metrics: Metrics) -> None:
        self._database = database
        self._kept = kept
        self._metrics = metrics
        self._rounds = Periodic("retention", PAUSE, self.sweep, Unavailable)

    def start(self) -> None:
        """Begin to look."""
        self._rounds.start()

    async def close(self) -> None:
        """Look no more."""
        await self._rounds.close()

    async def sweep(self) -> int:
        """Forget what is due, in bounded steps; how many texts that were. Raises Unavailable."""
        forgotten = await self._forget(FORGET, RETENTION_LOCK, self._kept, BATCH)
        self._metrics.originals_forgotten.inc(forgotten)
        await self._forget(FORGET_TURNS, timedelta(seconds=LONGEST_SLOW_MODE), BATCH)
        await self._forget(FORGET_DEVICES, RETENTION_LOCK, BATCH)
        return forgotten

    async def _forget(self, statement: str, *values: object) -> int:
        forgotten = 0
        while True:
            async with self._database.guard("retention"):
                rows = await self._database.query(statement, *values)
            forgotten += len(rows)
            if len(rows) < BATCH:
                return forgotten
