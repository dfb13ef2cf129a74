"""Room logs: the logged events of each room, in order. Used by all services that log or read events.

There are three ways to log an event. `Outbox.change` and `append` are for most services. `next` and then `record` are
for events whose payload contains their own place: announcements and deletions. Messages are logged by the database
function `store_messages`, together with their rows.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from gateway.errors import Unavailable, UnknownStream
from gateway.keys import Room, chat_room, products_room, room_log_name, viewers_room
from gateway.postgres.database import Database
from gateway.protocol.events import CHAT_MESSAGE, CHAT_PINNED
from gateway.protocol.wire import Cursor, Missed, Payload
from gateway.realtime.logged import Head, LoggedEvent, LogStamp, Place, Read, Wanted, stamped
from models.main.room import Room as RoomRow

REPLAY = 300  # events that a returning client may have missed; above that a snapshot is smaller
KEPT = 1000  # events of a room that stay in its log
WITH_TEXT = (CHAT_MESSAGE, CHAT_PINNED)  # events that are empty without their text
LOCK_TIMEOUT = 2.0  # s to wait for the room on this node: as long as for the database
TRIM = 64  # events after which a room is trimmed, and rows that this deletes

NEXT = "UPDATE rooms SET seq = seq + 1 WHERE name = $1 RETURNING seq"

LOCK = "SELECT name FROM rooms WHERE name = $1 FOR NO KEY UPDATE"

# `created_at` is the time of the commit, as far as a statement can know it, because the room is locked.
RECORD = """
    INSERT INTO room_events (room, seq, event, payload, created_at)
    VALUES ($1, $2, $3, $4::text::jsonb, clock_timestamp())
    RETURNING seq, created_at AS at, (SELECT epoch FROM rooms WHERE name = $1) AS epoch, (
        SELECT s.started_at FROM rooms r JOIN streams s ON s.key = r.stream_key WHERE r.name = $1
    ) AS began
"""

# Rooms are locked in the order of their names, so that two transactions cannot deadlock.
APPEND = """
    WITH given AS (
        SELECT g.*, row_number() OVER (PARTITION BY g.room ORDER BY g.ordinal) AS step
        FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS g (room, event, payload, ordinal)
    ), locked AS MATERIALIZED (
        SELECT name FROM rooms WHERE name = ANY ($1) ORDER BY name FOR NO KEY UPDATE
    ), counted AS (
        UPDATE rooms r SET seq = r.seq + g.events
        FROM (SELECT room, count(*) AS events FROM given GROUP BY room) g JOIN locked l ON l.name = g.room
        WHERE r.name = g.room RETURNING r.name, r.epoch, r.seq - g.events AS before, clock_timestamp() AS at,
            (SELECT s.started_at FROM streams s WHERE s.key = r.stream_key) AS began
    ), logged AS (
        INSERT INTO room_events (room, seq, event, payload, created_at)
        SELECT g.room, c.before + g.step, g.event, g.payload::jsonb, c.at
        FROM given g JOIN counted c ON c.name = g.room ORDER BY g.ordinal
    )
    SELECT c.epoch, c.before + g.step AS seq, c.at, c.began
    FROM given g JOIN counted c ON c.name = g.room ORDER BY g.ordinal
"""

FORGET = "DELETE FROM room_events WHERE room = $1 AND seq <= $2"

# One statement, so that the events belong to the cursor.
TAIL = """
    SELECT r.epoch, r.seq AS head, s.started_at AS began, e.seq, e.event, e.payload, e.created_at AS at
    FROM rooms r LEFT JOIN streams s ON s.key = r.stream_key LEFT JOIN LATERAL (
        SELECT * FROM room_events WHERE room = r.name AND seq > greatest($2, r.seq - $3) ORDER BY seq LIMIT $3
    ) e ON true
    WHERE r.name = $1 ORDER BY e.seq
"""

HEADS = """
    SELECT r.name, r.epoch, r.seq, s.started_at AS began, s.host_id::text AS host
    FROM rooms r LEFT JOIN streams s ON s.key = r.stream_key WHERE r.name = ANY ($1)
"""

# Of several rooms, with their heads. A message without text keeps its place, and so does a pin of it; its deletion is
# an event of its own. The arrays are behind a SELECT, so that one plan serves all lengths.
READ = """
    SELECT g.room, r.epoch, r.seq AS head, s.started_at AS began, e.seq, e.event, e.created_at AS at,
        CASE WHEN e.event = ANY ($6) AND e.payload #>> '{data,message}' = '' THEN NULL ELSE e.payload END AS payload
    FROM unnest((SELECT $1::text[]), (SELECT $2::bigint[]), (SELECT $3::text[]), (SELECT $4::bigint[]))
        AS g (room, after, epoch, head)
    JOIN rooms r ON r.name = g.room LEFT JOIN streams s ON s.key = r.stream_key LEFT JOIN LATERAL (
        SELECT * FROM room_events
        WHERE room = r.name AND seq > g.after AND (r.epoch::text, r.seq) IS DISTINCT FROM (g.epoch, g.head)
        ORDER BY seq LIMIT $5
    ) e ON true
    ORDER BY g.room, e.seq
"""


class NewEvent(NamedTuple):
    """An event for a room, not logged yet."""

    room: Room
    event: str
    payload: Payload


class Tail(NamedTuple):
    """The place of a room's log, and its last events without gaps."""

    cursor: Cursor
    events: list[Missed]


async def open_rooms(stream_key: str) -> None:
    """Create the logs of a new stream's rooms, within the transaction that creates the stream."""
    for room in (chat_room(stream_key), products_room(stream_key), viewers_room(stream_key)):
        await RoomRow.create(name=room_log_name(room), stream_id=stream_key)


class RoomLog:
    """Writes and reads the logs of rooms. Raises NotFound for a room of an unknown stream.

    Call all methods except the reads (`tail`, `heads`, `after`, `read`) within `database.guard`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._locks: WeakValueDictionary[Room, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def local_lock(self, *rooms: Room) -> AsyncIterator[None]:
        """Serialize the transactions of this node that take places in the same room.

        The lock of the room's row does that, too, but a transaction that waits for it occupies a connection. Raises
        Unavailable after LOCK_TIMEOUT.
        """
        async with AsyncExitStack() as locks:
            try:
                async with asyncio.timeout(LOCK_TIMEOUT):
                    for room in sorted(set(rooms)):
                        await locks.enter_async_context(self._locks.setdefault(room, asyncio.Lock()))
            except TimeoutError:
                raise Unavailable("room") from None
            yield

    async def lock(self, room: Room) -> None:
        """Lock a room until the end of the transaction: no other transaction takes places in it."""
        if not await self._database.query(LOCK, room_log_name(room)):
            raise UnknownStream

    async def next(self, room: Room) -> int:
        """Take the next place, within a transaction, which must fill it with `record`."""
        rows = await self._database.query(NEXT, room_log_name(room))
        if not rows:
            raise UnknownStream
        return int(rows[0]["seq"])

    async def record(self, room: Room, seq: int, event: str, payload: Payload) -> LogStamp:
        """Store an event in a place from `next`, within the same transaction; return its stamp."""
        rows = await self._database.query(RECORD, room_log_name(room), seq, event, payload.model_dump_json())
        await self.trim(room, seq)
        return LogStamp.of(rows[0])

    async def append(self, outgoing: Sequence[NewEvent]) -> list[LogStamp]:
        """Store events in the next places of their rooms, in the given order, and return their stamps.

        One statement, within a transaction that takes no other places: rooms are locked in the order of their names.
        """
        if not outgoing:
            return []
        names = [room_log_name(event.room) for event in outgoing]
        texts = [event.payload.model_dump_json() for event in outgoing]
        rows = await self._database.query(APPEND, names, [event.event for event in outgoing], texts)
        if len(rows) < len(outgoing):
            raise UnknownStream
        stamps = [LogStamp.of(row) for row in rows]
        events = Counter(event.room for event in outgoing)
        for room, last in {event.room: stamp.seq for event, stamp in zip(outgoing, stamps, strict=True)}.items():
            await self.trim(room, last, events[room])
        return stamps

    async def trim(self, room: Room, seq: int, events: int = 1) -> None:
        """Delete old events, once in TRIM places: `seq` is the last of `events` new places."""
        if seq % TRIM < events and seq > KEPT:
            await self._database.query(FORGET, room_log_name(room), seq - KEPT)

    async def tail(self, room: Room, seq: int) -> Tail:
        """Return the stored events after a place, at most the last REPLAY of them. Raises Unavailable."""
        async with self._database.guard("room_log.tail"):
            rows = await self._database.query(TAIL, room_log_name(room), seq, REPLAY)
        if not rows:
            raise UnknownStream
        cursor = Cursor(epoch=str(rows[0]["epoch"]), seq=rows[0]["head"])
        events = [
            Missed(
                event=row["event"], payload=json.loads(stamped(row["payload"], room, LogStamp.of(row))), seq=row["seq"]
            )
            for row in rows
            if row["seq"] is not None
        ]
        return Tail(cursor, events)

    async def heads(self, rooms: Sequence[Room]) -> dict[Room, Head]:
        """Return the heads of room logs; rooms without a log are left out. Raises Unavailable."""
        names = {room_log_name(room): room for room in rooms}
        async with self._database.guard("room_log.heads"):
            rows = await self._database.query(HEADS, list(names))
        return {
            names[row["name"]]: Head(Place(str(row["epoch"]), row["seq"]), row["began"], row["host"]) for row in rows
        }

    async def after(self, room: Room, seq: int, limit: int) -> list[LoggedEvent]:
        """Return the first stored events after a place, deleted ones without content. Raises Unavailable."""
        found = await self.read({room: Wanted(seq)}, limit)
        return found[room].events if room in found else []

    async def read(self, wanted: Mapping[Room, Wanted], limit: int) -> dict[Room, Read]:
        """See Log. One statement."""
        names = {room_log_name(room): room for room in wanted}
        known = [each.known or Place("", 0) for each in wanted.values()]
        places, epochs = [each.seq for each in wanted.values()], [place.epoch for place in known]
        heads = [place.seq for place in known]
        async with self._database.guard("room_log.read"):
            rows = await self._database.query(READ, list(names), places, epochs, heads, limit, WITH_TEXT)
        found: dict[Room, Read] = {}
        for row in rows:
            room = names[row["room"]]
            read = found.setdefault(room, Read(Place(str(row["epoch"]), row["head"]), []))
            if row["seq"] is not None:
                read.events.append(LoggedEvent(row["seq"], row["event"], _payload(row, room)))
        return found


def _payload(row: dict[str, Any], room: Room) -> str | None:
    return None if row["payload"] is None else stamped(row["payload"], room, LogStamp.of(row))
