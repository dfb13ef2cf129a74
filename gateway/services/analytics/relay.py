"""Moves facts from the outbox of the main database to the analytics database. Run by any number of job workers.

Two databases have no common commit, so an event may be moved twice: after a crash between the two commits, or if the
answer to the first one was lost. The analytics database therefore stores the id of each event with its numbers, and
ignores an event whose id it has.
"""

import asyncio
from typing import Any

import structlog

from gateway.concurrency.tasks import cancel
from gateway.errors import Unavailable
from gateway.metrics import Metrics
from gateway.postgres.connections import Databases
from gateway.postgres.databases import ANALYTICS

log = structlog.get_logger()

BATCH = 200  # events in one transaction
PAUSE = 1.0  # s until the next batch after a smaller one
AFTER_ERROR = 5.0  # s until the next batch after an unexpected error

# Ids do not follow commits: a smaller id may become visible later. Rows that another worker has locked are skipped.
TAKE = """
    SELECT id, event_id, kind, payload::text AS payload FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
DONE = "DELETE FROM outbox WHERE id = ANY ($1)"

# Rows are written in the order of their keys, so that two relays cannot deadlock.
APPLY = """
    WITH fresh AS (
        INSERT INTO applied_events (event_id, applied_at)
        SELECT e.id, clock_timestamp() FROM unnest($1::uuid[]) e (id) ORDER BY e.id
        ON CONFLICT DO NOTHING RETURNING event_id
    ), facts AS MATERIALIZED (
        SELECT e.kind, f.fact FROM unnest($1::uuid[], $2::text[], $3::text[]) e (id, kind, payload)
        JOIN fresh ON fresh.event_id = e.id
        CROSS JOIN LATERAL jsonb_array_elements(e.payload::jsonb) f (fact)
    ), sales AS (
        INSERT INTO sales_minutes (stream_key, product_id, minute, status, orders, units, amount)
        SELECT fact->>0, (fact->>1)::bigint, (fact->>2)::timestamptz, fact->>3,
            sum((fact->>4)::int), sum((fact->>5)::int), sum((fact->>6)::numeric)
        FROM facts WHERE kind = 'sales' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (stream_key, product_id, minute, status) DO UPDATE SET
            orders = sales_minutes.orders + excluded.orders, units = sales_minutes.units + excluded.units,
            amount = sales_minutes.amount + excluded.amount
    ), viewers AS (
        INSERT INTO viewer_samples (stream_key, at, viewers)
        SELECT fact->>0, (fact->>1)::timestamptz, max((fact->>2)::int)
        FROM facts WHERE kind = 'viewers' GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (stream_key, at) DO UPDATE SET viewers = greatest(viewer_samples.viewers, excluded.viewers)
    ), moderation AS (
        INSERT INTO moderation_facts (id, at, action, stream_key, actor_key, subject_key)
        SELECT (fact->>0)::bigint, (fact->>1)::timestamptz, fact->>2, fact->>3, fact->>4, fact->>5
        FROM facts WHERE kind = 'moderation' ORDER BY 1
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) AS fresh FROM fresh
"""


class Relay:
    """Moves facts while both databases answer. While one is away, the facts stay in the outbox."""

    def __init__(self, databases: Databases, metrics: Metrics) -> None:
        self._databases = databases
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start moving facts."""
        self._task = asyncio.create_task(self._run(), name="relay")

    async def close(self) -> None:
        """Stop, even within a batch, which is then repeated."""
        await cancel(self._task)

    async def _run(self) -> None:
        while True:
            pause = PAUSE
            try:
                if await self.move() == BATCH:
                    continue
            except Unavailable:
                log.debug("facts wait")  # the client of the database has logged the outage
            except Exception:
                log.exception("facts could not be moved")
                pause = AFTER_ERROR
            await asyncio.sleep(pause)

    async def move(self) -> int:
        """Move one batch; return its number of events. Raises Unavailable.

        If the analytics database refuses a batch, each of its events is tried alone. An event that is refused again is
        dropped, because it would block all later events for ever.
        """
        await self._databases.client(ANALYTICS.name)  # fail before the transaction if it is away
        main = self._databases.main
        async with main.guard("outbox.relay"), main.transaction():
            rows = await main.query(TAKE, BATCH)
            if rows:
                if not await self._applied(rows):
                    for row in rows:
                        if not await self._applied([row]):
                            log.error("facts were dropped", id=str(row["event_id"]), kind=row["kind"])
                            self._metrics.outbox_dropped.inc()
                await self._done(rows)
        self._metrics.outbox_relayed.inc(len(rows))
        return len(rows)

    async def _applied(self, rows: list[dict[str, Any]]) -> bool:
        try:
            await self._apply(rows)
        except Unavailable:
            raise
        except Exception as error:
            log.warning("facts were refused", events=len(rows), reason=type(error).__name__)
            return False
        return True

    async def _apply(self, rows: list[dict[str, Any]]) -> None:
        analytics = self._databases.client_sync(ANALYTICS.name)
        async with analytics.guard("analytics.apply"):
            await analytics.query(
                APPLY,
                [row["event_id"] for row in rows],
                [row["kind"] for row in rows],
                [row["payload"] for row in rows],
            )

    async def _done(self, rows: list[dict[str, Any]]) -> None:
        await self._databases.main.query(DONE, [row["id"] for row in rows])
