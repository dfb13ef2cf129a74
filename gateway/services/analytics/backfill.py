"""Counts the main database again, for times before there were facts, or whose facts were lost. Run by a command.

It only counts minutes whose facts have all been relayed, and reduces no number of sales: the main database may have
deleted orders that were counted. It can be run at any time and repeatedly.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import asyncpg

from gateway.keys import CHAT_COUNT_LOCK
from gateway.postgres.database import mapped
from gateway.postgres.databases import ANALYTICS, MAIN, DatabaseSpec
from gateway.services.analytics.chat_counter import PREFIX, WAIT_FOR_LOCK, count
from gateway.services.analytics.facts import Facts
from gateway.settings import Settings

CONNECT: Final = 5.0  # s for a connection
STATEMENT: Final = 600.0  # s for one statement: a stream may have had millions of messages
ENTRIES: Final = 5000  # of the audit log in one statement

# No open transaction can add facts about a minute that ended this long ago. The relay counts the facts of the outbox.
HORIZON = """
    SELECT date_trunc('minute', least(now() - interval '5 minutes', (
        SELECT min((f.fact->>2)::timestamptz)
        FROM outbox o CROSS JOIN LATERAL jsonb_array_elements(o.payload) f (fact) WHERE o.kind = 'sales'
    )))
"""
STREAMS = "SELECT key FROM streams ORDER BY created_at, key"

SALES = """
    WITH happened AS (
        SELECT o.id, i.product_id, i.quantity, i.price * i.quantity AS amount, h.status,
            CASE h.status WHEN 'EXPIRED' THEN o.expires_at ELSE h.at END AS at
        FROM order_items i JOIN orders o ON o.id = i.order_id CROSS JOIN LATERAL (VALUES
            ('PLACED', o.created_at), ('PAID', o.paid_at), ('CANCELLED', o.cancelled_at),
            -- Orders are expired by a sweep, which may be late: a day later all are.
            ('EXPIRED', CASE WHEN o.status = 'EXPIRED' THEN o.expires_at + interval '1 day' END)
        ) h (status, at)
        WHERE i.stream_key = $1 AND h.at < $2
    )
    SELECT 0 AS product_id, date_trunc('minute', at) AS minute, status,
        count(DISTINCT id)::int AS orders, sum(quantity)::int AS units, sum(amount) AS amount
    FROM happened GROUP BY 2, 3
    UNION ALL
    SELECT product_id, date_trunc('minute', at), status, count(DISTINCT id)::int, sum(quantity)::int, sum(amount)
    FROM happened WHERE product_id IS NOT NULL GROUP BY 1, 2, 3
"""
KEEP_SALES = """
    INSERT INTO sales_minutes AS s (stream_key, product_id, minute, status, orders, units, amount)
    SELECT $1, * FROM unnest($2::bigint[], $3::timestamptz[], $4::text[], $5::int[], $6::int[], $7::numeric[])
    ON CONFLICT (stream_key, product_id, minute, status) DO UPDATE SET
        orders = greatest(s.orders, excluded.orders), units = greatest(s.units, excluded.units),
        amount = greatest(s.amount, excluded.amount)
"""

PLACES = "SELECT coalesce(sum(seq), 0)::bigint AS places FROM rooms WHERE starts_with(name, $1)"
RESTART = "DELETE FROM chat_cursors"

ACTS = "SELECT count(*) FROM moderation_log"
MODERATION = """
    SELECT id, created_at, action, stream_key, actor_id::text AS actor, subject_id AS subject
    FROM moderation_log WHERE id > $1 ORDER BY id LIMIT $2
"""
KEEP_MODERATION = """
    INSERT INTO moderation_facts (id, at, action, stream_key, actor_key, subject_key)
    SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[])
    ON CONFLICT DO NOTHING
"""


class Progress(NamedTuple):
    """The progress of one part: `done` of `total` units, which resulted in `counted` of `result`."""

    part: str
    unit: str
    result: str
    done: int
    total: int
    counted: int = 0


async def backfill(settings: Settings) -> AsyncIterator[Progress]:
    """Count everything again, one part after the other, and yield the progress.

    Raises SettingsError and Unavailable.
    """
    async with _connection(settings, MAIN) as main, _connection(settings, ANALYTICS) as analytics:
        for part in (_sales(main, analytics), _messages(main, analytics), _moderation(main, analytics, settings)):
            async for progress in part:
                yield progress


async def _sales(main: Any, analytics: Any) -> AsyncIterator[Progress]:
    names = ("product_id", "minute", "status", "orders", "units", "amount")
    streams = [row["key"] for row in await main.fetch(STREAMS)]
    counted = 0
    yield Progress("sales", "streams", "minutes of sales", 0, len(streams))
    for done, key in enumerate(streams, 1):
        async with main.transaction(isolation="repeatable_read", readonly=True):  # one snapshot
            sales = await main.fetch(SALES, key, await main.fetchval(HORIZON))
        await analytics.execute(KEEP_SALES, key, *([row[name] for row in sales] for name in names))
        counted += len(sales)
        yield Progress("sales", "streams", "minutes of sales", done, len(streams), counted)


async def _messages(main: Any, analytics: Any) -> AsyncIterator[Progress]:
    total = await main.fetchval(PLACES, PREFIX)
    yield Progress("messages", "places", "places of chat rooms", 0, total)
    async with analytics.transaction():
        await analytics.fetch(WAIT_FOR_LOCK, CHAT_COUNT_LOCK)  # or a worker that counts would store its cursors
        await analytics.execute(RESTART)
    left = 1
    while left:
        async with analytics.transaction():
            left = await count(main.fetch, analytics.fetch, lock=WAIT_FOR_LOCK)
        done = max(0, total - left)  # messages are stored during the count
        yield Progress("messages", "places", "places of chat rooms", done, total, done)


async def _moderation(main: Any, analytics: Any, settings: Settings) -> AsyncIterator[Progress]:
    facts = Facts(settings)
    total = await main.fetchval(ACTS)
    last, done = 0, 0
    yield Progress("moderation", "entries", "entries of the audit log", done, total)
    while rows := await main.fetch(MODERATION, last, ENTRIES):
        last, done = rows[-1]["id"], done + len(rows)
        await analytics.execute(
            KEEP_MODERATION,
            *([row[name] for row in rows] for name in ("id", "created_at", "action", "stream_key")),
            *([facts.key(row[name]) for row in rows] for name in ("actor", "subject")),
        )
        yield Progress("moderation", "entries", "entries of the audit log", done, max(done, total), done)


@asynccontextmanager
async def _connection(settings: Settings, spec: DatabaseSpec) -> AsyncIterator[Any]:
    """Open a connection whose statements may take long. Raises Unavailable."""
    with mapped("backfill", spec=spec):
        connection = await asyncpg.connect(
            (spec.direct_url(settings) or spec.url(settings)).get_secret_value(),
            timeout=CONNECT,
            command_timeout=STATEMENT,
            statement_cache_size=0,
        )
        try:
            yield connection
        finally:
            connection.terminate()
