"""Deletes old numbers from the analytics database, and measures the relay's delay. Run by job workers and nodes."""

from datetime import timedelta
from typing import Final

from gateway.metrics import Metrics
from gateway.postgres.connections import Databases
from gateway.postgres.database import Database
from gateway.postgres.databases import ANALYTICS
from gateway.services.retention.kinds import OUTBOX_KEPT

BATCH: Final = 2000  # rows in one statement

# The ids of counted events are kept longer than events can stay in the outbox.
KNOWN: Final = OUTBOX_KEPT + timedelta(days=1)

OLD: Final = {
    "sales_minutes": "minute",
    "chat_minutes": "minute",
    "viewer_samples": "at",
    "moderation_facts": "at",
    "applied_events": "applied_at",
}
AGE: Final = """
    SELECT coalesce(extract(epoch FROM clock_timestamp() - created_at), 0)::float8 AS age
    FROM outbox ORDER BY id LIMIT 1
"""


class AnalyticsRetention:
    """Deletes numbers that are older than `kept`."""

    def __init__(self, databases: Databases, kept: timedelta) -> None:
        self._databases = databases
        self._kept = kept

    async def sweep(self) -> int:
        """Delete old rows; return how many. Raises Unavailable."""
        analytics = await self._databases.client(ANALYTICS.name)
        deleted = 0
        for table, moment in OLD.items():
            kept = KNOWN if table == "applied_events" else self._kept
            statement = f"""
                DELETE FROM {table} WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM {table} WHERE {moment} < now() - $1::interval ORDER BY {moment} LIMIT $2
                )) RETURNING 1
            """  # noqa: S608  no values of clients
            count = BATCH
            while count == BATCH:
                async with analytics.guard("analytics.retention"):
                    count = len(await analytics.query(statement, kept, BATCH))
                deleted += count
        return deleted


class OutboxAge:
    """Measures the age of the oldest facts in the outbox."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._metrics = metrics

    async def measure(self) -> None:
        """Set the gauge. Raises Unavailable."""
        async with self._database.guard("outbox.age"):
            rows = await self._database.query(AGE)
        self._metrics.outbox_age.set(rows[0]["age"] if rows else 0)
