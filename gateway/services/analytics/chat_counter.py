"""Counts chat messages per minute in the analytics database, from the main one's table. Run by job workers.

It adds no work to storing messages. Places in a room follow the commits, so all messages up to the committed place of
a room are visible. The cursor of a stream is the last counted place; it moves in the transaction that counts. A stream
without a cursor, or whose room has another epoch, is counted from its first message on.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from gateway.keys import CHAT_COUNT_LOCK, chat_room, room_log_name
from gateway.postgres.connections import Databases
from gateway.postgres.databases import ANALYTICS

Query = Callable[..., Awaitable[Sequence[Mapping[str, Any]]]]  # a statement and its values, to rows

PAUSE: Final = 10.0  # s between two counts; a graph has a point for each minute
STEP: Final = 20_000  # places that one step reads, over all streams

PREFIX: Final = room_log_name(chat_room(""))
LOCK: Final = "SELECT pg_try_advisory_xact_lock($1) AS locked"
WAIT_FOR_LOCK: Final = "SELECT true AS locked FROM pg_advisory_xact_lock($1)"
CURSORS: Final = "SELECT stream_key, epoch, seq FROM chat_cursors"
ROOMS: Final = "SELECT stream_key, epoch, seq FROM rooms WHERE starts_with(name, $1) ORDER BY stream_key"
# Shown and deleted messages are read separately: each kind has an index with the places.
COUNTS: Final = """
    SELECT c.stream_key, m.minute, m.messages, m.guest_messages
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) c (stream_key, after, until) CROSS JOIN LATERAL (
        SELECT date_trunc('minute', created_at) AS minute, count(*)::int AS messages,
            (count(*) FILTER (WHERE role = 'GUEST'))::int AS guest_messages
        FROM (
            SELECT created_at, role FROM messages
            WHERE stream_key = c.stream_key AND seq > c.after AND seq <= c.until AND deleted_at IS NULL
            UNION ALL
            SELECT created_at, role FROM messages
            WHERE stream_key = c.stream_key AND seq > c.after AND seq <= c.until AND deleted_at IS NOT NULL
        ) either GROUP BY 1
    ) m
"""
# The minute of the first stored message of each stream.
FIRST: Final = """
    SELECT c.stream_key, date_trunc('minute', m.created_at) AS minute
    FROM unnest($1::text[]) c (stream_key) CROSS JOIN LATERAL (
        SELECT seq, created_at FROM (
            (SELECT seq, created_at FROM messages
            WHERE stream_key = c.stream_key AND deleted_at IS NULL ORDER BY seq LIMIT 1)
            UNION ALL
            (SELECT seq, created_at FROM messages
            WHERE stream_key = c.stream_key AND deleted_at IS NOT NULL ORDER BY seq LIMIT 1)
        ) either ORDER BY seq LIMIT 1
    ) m
"""
# Deletes the minutes from the first one of which the main database has messages; earlier minutes are kept.
FORGET: Final = """
    DELETE FROM chat_minutes c USING unnest($1::text[], $2::timestamptz[]) f (stream_key, minute)
    WHERE c.stream_key = f.stream_key AND c.minute >= f.minute
"""
ADD: Final = """
    INSERT INTO chat_minutes AS c (stream_key, minute, messages, guest_messages)
    SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::int[], $4::int[])
    ON CONFLICT (stream_key, minute) DO UPDATE SET
        messages = c.messages + excluded.messages, guest_messages = c.guest_messages + excluded.guest_messages
"""
MOVE: Final = """
    INSERT INTO chat_cursors (stream_key, epoch, seq)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[])
    ON CONFLICT (stream_key) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq
"""
DROP: Final = "DELETE FROM chat_cursors WHERE stream_key = ANY ($1)"


class ChatCounter:
    """Adds new messages to `chat_minutes`. Of several counters one counts at a time."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def catch_up(self) -> None:
        """Count all messages that are stored and not counted yet. Raises Unavailable."""
        main = self._databases.main
        analytics = await self._databases.client(ANALYTICS.name)
        left = 1
        while left:
            async with main.guard("analytics.messages"), analytics.guard("analytics.count"), analytics.transaction():
                left = await count(main.query, analytics.query)


async def count(main: Query, analytics: Query, *, lock: str = LOCK) -> int:
    """Count at most STEP places, in a transaction of the analytics database; return how many are left.

    With LOCK, return 0 while another counter counts. With WAIT_FOR_LOCK, wait for it.
    """
    if not (await analytics(lock, CHAT_COUNT_LOCK))[0]["locked"]:
        return 0
    cursors = {row["stream_key"]: (row["epoch"], row["seq"]) for row in await analytics(CURSORS)}
    rooms = {row["stream_key"]: (row["epoch"], row["seq"]) for row in await main(ROOMS, PREFIX)}
    if gone := list(cursors.keys() - rooms.keys()):
        await analytics(DROP, gone)
    steps, left = _steps(cursors, rooms)
    if not steps:
        return 0
    keys, epochs = [step.key for step in steps], [step.epoch for step in steps]
    counts = await main(COUNTS, keys, [step.after for step in steps], [step.until for step in steps])
    if restarted := [step.key for step in steps if step.restart]:
        first = await main(FIRST, restarted)  # also if none of its messages is in this step
        await analytics(FORGET, [row["stream_key"] for row in first], [row["minute"] for row in first])
    columns = ("stream_key", "minute", "messages", "guest_messages")
    await analytics(ADD, *([row[name] for row in counts] for name in columns))
    await analytics(MOVE, keys, epochs, [step.until for step in steps])
    return left


class _Step(NamedTuple):
    """Places of one stream to count; `restart`: the stream is counted from its first place again."""

    key: str
    epoch: UUID
    after: int
    until: int
    restart: bool


Places = Mapping[str, tuple[UUID, int]]  # of streams: epoch and seq


def _steps(cursors: Places, rooms: Places) -> tuple[list[_Step], int]:
    """Return the places to count in this step, and how many are left after it."""
    steps: list[_Step] = []
    capacity, left = STEP, 0
    for key, (epoch, head) in rooms.items():
        counted_epoch, after = cursors.get(key, (None, 0))
        restart = counted_epoch != epoch or after > head  # a new log, or one of a restored database
        after = 0 if restart else after
        until = min(head, after + capacity)
        if until > after:
            steps.append(_Step(key, epoch, after, until, restart))
        capacity -= until - after
        left += head - until
    return steps, left
