"""Counts again what the main database has, for numbers from before there were facts, or lost ones. Run by a command.

Only minutes whose facts are all counted are looked at, and a number never becomes smaller: main may have deleted rows
that were counted. So it can be run at any time, again and again.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import asyncpg

from gateway.postgres.database import mapped
from gateway.postgres.databases import ANALYTICS, MAIN, DatabaseSpec
from gateway.services.analytics.facts import Facts
from gateway.settings import Settings

CONNECT: Final = 5.0  # s for a connection
STATEMENT: Final = 600.0  # s for one statement: a stream may have had millions of messages
ENTRIES: Final = 5000  # of the audit log in one statement

# No transaction that is still open tells of a minute that ended so long ago. Facts that wait are counted by the relay.
HORIZON = """
    SELECT date_trunc('minute', least(now() - interval '5 minutes', (
        SELECT min((f.fact->>(CASE o.kind WHEN 'sales' THEN 2 ELSE 1 END))::timestamptz)
        FROM outbox o CROSS JOIN LATERAL jsonb_array_elements(o.payload) f (fact) WHERE o.kind IN ('sales', 'messages')
    )))
"""
STREAMS = "SELECT key FROM streams ORDER BY created_at, key"

SALES = """
    WITH happened AS (
        SELECT o.id, i.product_id, i.quantity, i.price * i.quantity AS amount, h.status,
            CASE h.status WHEN 'EXPIRED' THEN o.expires_at ELSE h.at END AS at
        FROM order_items i JOIN orders o ON o.id = i.order_id CROSS JOIN LATERAL (VALUES
            ('PLACED', o.created_at), ('PAID', o.paid_at), ('CANCELLED', o.cancelled_at),
            -- Found by a sweep, which may be late: a day later all are.
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

MESSAGES = """
    SELECT date_trunc('minute', created_at) AS minute, count(*)::int AS messages,
        (count(*) FILTER (WHERE role = 'GUEST'))::int AS guest_messages
    FROM messages WHERE stream_key = $1 AND created_at < $2 GROUP BY 1
"""
KEEP_MESSAGES = """
    INSERT INTO chat_minutes AS c (stream_key, minute, messages, guest_messages)
    SELECT $1, * FROM unnest($2::timestamptz[], $3::int[], $4::int[])
    ON CONFLICT (stream_key, minute) DO UPDATE SET
        messages = greatest(c.messages, excluded.messages),
        guest_messages = greatest(c.guest_messages, excluded.guest_messages)
"""

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
    """How far it is: parts done, of how many, and what has been counted so far."""

    done: int
    parts: int
    minutes: int
    entries: int


async def backfill(settings: Settings) -> AsyncIterator[Progress]:
    """Count everything again, and tell how far it is after each stream. Raises SettingsError and Unavailable."""
    facts = Facts(settings)
    async with _connection(settings, MAIN) as main, _connection(settings, ANALYTICS) as analytics:
        streams = [row["key"] for row in await main.fetch(STREAMS)]
        progress = Progress(0, len(streams) + 1, 0, 0)
        yield progress
        for key in streams:
            minutes = await _stream(main, analytics, key)
            progress = progress._replace(done=progress.done + 1, minutes=progress.minutes + minutes)
            yield progress
        last, entries = 0, 0
        while rows := await main.fetch(MODERATION, last, ENTRIES):
            last, entries = rows[-1]["id"], entries + len(rows)
            await analytics.execute(
                KEEP_MODERATION,
                *([row[name] for row in rows] for name in ("id", "created_at", "action", "stream_key")),
                *([facts.key(row[name]) for row in rows] for name in ("actor", "subject")),
            )
        yield progress._replace(done=progress.parts, entries=entries)


async def _stream(main: Any, analytics: Any, key: str) -> int:
    async with main.transaction(isolation="repeatable_read", readonly=True):  # of one moment
        horizon = await main.fetchval(HORIZON)
        sales = await main.fetch(SALES, key, horizon)
        messages = await main.fetch(MESSAGES, key, horizon)
    names = ("product_id", "minute", "status", "orders", "units", "amount")
    await analytics.execute(KEEP_SALES, key, *([row[name] for row in sales] for name in names))
    counts = ("minute", "messages", "guest_messages")
    await analytics.execute(KEEP_MESSAGES, key, *([row[name] for row in messages] for name in counts))
    return len(sales) + len(messages)


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
