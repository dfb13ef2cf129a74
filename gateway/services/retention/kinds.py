"""How long each kind of row is kept, and the statement that deletes it. Used by retention.py and analytics.

Each statement takes how long the kind is kept (an interval) and the most rows to delete, and returns one row for each
deleted row. Rows that another transaction has locked are left for the next round. Arrays and `LIMIT 1` keep PostgreSQL
from joining whole tables, whatever it estimates their size to be.
"""

from datetime import timedelta
from typing import NamedTuple

from gateway.protocol.payloads.moderation import LONGEST_SLOW_MODE
from gateway.security.webhooks import TOLERANCE
from gateway.settings import Settings

MARGIN = timedelta(minutes=1)  # for differences of clocks, and running requests
WEBHOOK_REPEAT = timedelta(seconds=2 * TOLERANCE)  # a message is accepted as long before its timestamp as after it
OUTBOX_KEPT = timedelta(days=7)  # facts that could not be relayed
KNOWN_VIEWERS = timedelta(hours=1)  # after the last moment at which the stream could have been started again

# A stream that cannot be started again since `$1`. The condition on `created_at` follows from the other one, and lets
# PostgreSQL use the index on status and creation.
CLOSED = """s.status IN ('ENDED', 'CANCELLED') AND s.created_at < now() - $1::interval
            AND coalesce(s.closes_at, s.ended_at, s.updated_at) < now() - $1::interval"""

# A closed stream without orders, messages and entries of the audit log.
UNUSED = f"""{CLOSED}
            AND (SELECT 1 FROM messages WHERE stream_key = s.key LIMIT 1) IS NULL
            AND (SELECT 1 FROM order_items WHERE stream_key = s.key LIMIT 1) IS NULL
            AND (SELECT 1 FROM moderation_log WHERE stream_key = s.key LIMIT 1) IS NULL"""  # noqa: S608  no values of clients

# The other columns of the record of a deletion are kept as long as the message.
DELETED_TEXTS = """
    UPDATE message_deletions SET text = NULL WHERE message_id = ANY (ARRAY(
        SELECT message_id FROM message_deletions
        WHERE text IS NOT NULL AND created_at < now() - $1::interval
        ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )) RETURNING 1
"""

# Leftovers of rooms that ended in slow mode. They are few, so there is no index.
SLOW_MODE_TURNS = """
    DELETE FROM chat_turns WHERE (stream_key, sender_id) IN (
        SELECT stream_key, sender_id FROM chat_turns
        WHERE spoke_at < now() - $1::interval LIMIT $2 FOR UPDATE SKIP LOCKED
    ) RETURNING 1
"""

# Devices of sanctions that have ended, and networks that no longer count.
BANNED_DEVICES = """
    DELETE FROM banned_devices WHERE id = ANY (ARRAY(
        SELECT d.id FROM banned_devices d JOIN sanctions s ON s.id = d.sanction_id
        WHERE s.lifted_at < now() - $1::interval OR s.ends_at < now() - $1::interval
            OR d.ends_at < now() - $1::interval
        LIMIT $2 FOR UPDATE OF d SKIP LOCKED
    )) RETURNING 1
"""

WEBHOOK_MESSAGES = """
    DELETE FROM webhook_messages WHERE id = ANY (ARRAY(
        SELECT id FROM webhook_messages WHERE received_at < now() - $1::interval LIMIT $2 FOR UPDATE SKIP LOCKED
    )) RETURNING 1
"""

# The ids of viewers; the numbers are kept in the stream.
VIEWER_NAMES = f"""
    DELETE FROM stream_viewers WHERE (stream_key, viewer_id) IN (
        SELECT v.stream_key, v.viewer_id FROM streams s JOIN stream_viewers v ON v.stream_key = s.key
        WHERE {CLOSED} LIMIT $2 FOR UPDATE OF v SKIP LOCKED
    ) RETURNING 1
"""  # noqa: S608

NOTIFICATIONS = """
    DELETE FROM notifications WHERE id = ANY (ARRAY(
        SELECT id FROM notifications WHERE created_at < now() - $1::interval LIMIT $2 FOR UPDATE SKIP LOCKED
    )) RETURNING 1
"""

# Events of rooms whose stream has closed, oldest first, so that the rest has no gaps. The place of the room is kept: a
# join with an older cursor is answered with a snapshot. The rooms are found by steps through the index.
ROOM_EVENTS = f"""
    WITH RECURSIVE logged (room) AS (
        (SELECT room FROM room_events WHERE room > '' ORDER BY room LIMIT 1)
        UNION ALL
        SELECT (SELECT e.room FROM room_events e WHERE e.room > l.room ORDER BY e.room LIMIT 1)
        FROM logged l WHERE l.room IS NOT NULL
    ), closed AS (
        SELECT r.name, (
            SELECT max(e.seq) FROM room_events e WHERE e.room = r.name AND e.created_at < now() - $1::interval
        ) AS last
        FROM logged l JOIN rooms r ON r.name = l.room JOIN streams s ON s.key = r.stream_key
        WHERE {CLOSED}
    )
    DELETE FROM room_events WHERE id = ANY (ARRAY(
        SELECT e.id FROM closed c CROSS JOIN LATERAL (
            SELECT id FROM room_events WHERE room = c.name AND seq <= c.last
            ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED
        ) e LIMIT $2
    )) RETURNING 1
"""  # noqa: S608  no values of clients

# Records of deletions and pins are deleted with their message.
MESSAGES = f"""
    WITH old AS MATERIALIZED (
        SELECT m.id FROM streams s CROSS JOIN LATERAL (
            SELECT id FROM messages WHERE stream_key = s.key LIMIT $2 FOR UPDATE SKIP LOCKED
        ) m
        WHERE {CLOSED}
        LIMIT $2
    ), deletions AS (
        DELETE FROM message_deletions WHERE message_id = ANY (ARRAY(SELECT id FROM old))
    )
    DELETE FROM messages WHERE id = ANY (ARRAY(SELECT id FROM old)) RETURNING 1
"""  # noqa: S608

# An entry is kept as long as the record of a deletion refers to it.
AUDIT_LOG = """
    DELETE FROM moderation_log WHERE id = ANY (ARRAY(
        SELECT l.id FROM moderation_log l
        WHERE l.created_at < now() - $1::interval
            AND (SELECT 1 FROM message_deletions d WHERE d.entry_id = l.id LIMIT 1) IS NULL
        ORDER BY l.created_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )) RETURNING 1
"""

# The condition on `created_at` follows from the others, and lets PostgreSQL use its index.
SANCTIONS = """
    DELETE FROM sanctions WHERE id = ANY (ARRAY(
        SELECT id FROM sanctions
        WHERE created_at < now() - $1::interval
            AND (lifted_at < now() - $1::interval OR ends_at < now() - $1::interval)
        ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )) RETURNING 1
"""

# Items are deleted with their order. An unpaid order is kept.
ORDERS = """
    DELETE FROM orders WHERE id = ANY (ARRAY(
        SELECT id FROM orders WHERE created_at < now() - $1::interval AND status <> 'PENDING'
        ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )) RETURNING 1
"""

PRODUCTS = f"""
    DELETE FROM products WHERE id = ANY (ARRAY(
        SELECT p.id FROM streams s CROSS JOIN LATERAL (
            SELECT id FROM products WHERE stream_key = s.key LIMIT $2 FOR UPDATE SKIP LOCKED
        ) p
        WHERE {UNUSED}
        LIMIT $2
    )) RETURNING 1
"""  # noqa: S608

# After all other kinds. Rows that only matter for the stream are deleted with it, such as sanctions of its room.
STREAMS = f"""
    WITH old AS MATERIALIZED (
        SELECT s.key FROM streams s
        WHERE {UNUSED} AND (SELECT 1 FROM products WHERE stream_key = s.key LIMIT 1) IS NULL
        LIMIT $2 FOR UPDATE SKIP LOCKED
    ), words AS (
        DELETE FROM listed_words w USING old WHERE w.stream_key = old.key
    ), settings AS (
        DELETE FROM chat_settings c USING old WHERE c.stream_key = old.key
    ), held AS (
        DELETE FROM sanctions h USING old WHERE h.stream_key = old.key
    ), logs AS (
        DELETE FROM rooms r USING old WHERE r.stream_key = old.key
    )
    DELETE FROM streams s USING old WHERE s.key = old.key RETURNING 1
"""  # noqa: S608


# Facts that have not been relayed for OUTBOX_KEPT, and all but the newest million. A backfill can count them again.
OUTBOX = """
    DELETE FROM outbox WHERE id = ANY (ARRAY(
        SELECT id FROM outbox
        WHERE created_at < now() - $1::interval OR id < (SELECT max(id) FROM outbox) - 1000000
        ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
    )) RETURNING 1
"""


class Kind(NamedTuple):
    """A kind of row: its name in the metrics, the statement that deletes rows, and how long they are kept."""

    name: str
    statement: str
    kept: timedelta


def kinds(settings: Settings) -> tuple[Kind, ...]:
    """Return all kinds; a kind that refers to others comes before these."""
    return (
        Kind("slow_mode_turns", SLOW_MODE_TURNS, timedelta(seconds=LONGEST_SLOW_MODE)),
        Kind("banned_devices", BANNED_DEVICES, timedelta(0)),
        Kind("webhook_messages", WEBHOOK_MESSAGES, WEBHOOK_REPEAT),
        Kind("outbox", OUTBOX, OUTBOX_KEPT),
        Kind("room_events", ROOM_EVENTS, settings.recovery_window + MARGIN),
        Kind("viewer_names", VIEWER_NAMES, KNOWN_VIEWERS),
        Kind("notifications", NOTIFICATIONS, settings.notification_retention),
        Kind("deleted_texts", DELETED_TEXTS, settings.deletion_retention),
        Kind("messages", MESSAGES, settings.message_retention),
        Kind("audit_log", AUDIT_LOG, settings.moderation_retention),
        Kind("sanctions", SANCTIONS, settings.moderation_retention),
        Kind("orders", ORDERS, settings.order_retention),
        Kind("products", PRODUCTS, settings.stream_retention),
        Kind("streams", STREAMS, settings.stream_retention),
    )
