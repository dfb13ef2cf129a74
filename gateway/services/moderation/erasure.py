"""Erases and restores the texts of messages. Called by deletions, clears and reviews."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from gateway.keys import chat_room, room_log_name
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.payloads.chat import Message
from gateway.services.chat.messages import message_of

# The text moves to `message_deletions`, which only auditors read. In the room's log, events of the message and its pins
# lose the text, and events of restored messages lose the message.
ERASE = """
    WITH doomed AS MATERIALIZED (
        SELECT id, seq, text FROM messages WHERE id = ANY ($1) AND deleted_at IS NULL
    ), kept AS (
        INSERT INTO message_deletions (message_id, text, entry_id, deleted_by, reason, created_at)
        SELECT id, text, $3, $4, $5, clock_timestamp() FROM doomed
    ), erased AS (
        UPDATE messages m SET text = NULL, deleted_at = clock_timestamp() FROM doomed d WHERE m.id = d.id
    ), silenced AS (
        UPDATE room_events e SET payload = jsonb_set(e.payload, '{data,message}', '""') FROM doomed d
        WHERE e.room = $2 AND e.seq = d.seq AND e.event = $6
    ), unshown AS (
        UPDATE room_events e SET payload = jsonb_set(e.payload, '{data,message}', '""')
        WHERE e.room = $2 AND e.event = $7 AND e.payload #>> '{data,id}' IN (SELECT id::text FROM doomed)
    ), withdrawn AS (
        UPDATE room_events e SET payload = jsonb_set(e.payload, '{data,messages}', (
            SELECT coalesce(jsonb_agg(m ORDER BY ordinal), '[]')
            FROM jsonb_array_elements(e.payload #> '{data,messages}')
                WITH ORDINALITY AS back (m, ordinal) WHERE m ->> 'id' NOT IN (SELECT id::text FROM doomed)
        ))
        WHERE e.room = $2 AND e.event = $8 AND jsonb_typeof(e.payload #> '{data,messages}') = 'array' AND EXISTS (
            SELECT FROM jsonb_array_elements(e.payload #> '{data,messages}') m JOIN doomed d ON m ->> 'id' = d.id::text
        )
    )
    SELECT min(seq) AS first, max(seq) AS last, count(*) AS messages FROM doomed
"""

# The room's log is not changed: a new event has the restored messages, or only their number.
_RESTORE = """
    WITH back AS (
        DELETE FROM message_deletions
        WHERE message_id = ANY ($1) AND {which} AND text IS NOT NULL RETURNING message_id, text
    ), restored AS (
        UPDATE messages m SET text = b.text, deleted_at = NULL FROM back b WHERE m.id = b.message_id RETURNING m.*
    )
    SELECT * FROM restored ORDER BY seq
"""
RESTORE = _RESTORE.format(which="entry_id = $2")
SHOW = _RESTORE.format(which="deleted_by IS NULL")


class Span(NamedTuple):
    """The erased messages: the places of the first and the last one, and their number."""

    first: int
    last: int
    messages: int


NOTHING = Span(0, 0, 0)


class Erasure:
    """Changes texts. Call it in a transaction that has locked the room (`RoomLog.lock`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def erase(
        self, live_id: str, ids: Sequence[UUID], deleted_by: str | None, reason: str | None, entry: int | None
    ) -> Span:
        """Erase the texts of messages of a room; `entry` is the id in the audit log. One statement.

        Without `deleted_by` and `entry` they are hidden: `show` restores them.
        """
        rows = await self._database.query(
            ERASE,
            ids,
            room_log_name(chat_room(live_id)),
            entry,
            None if deleted_by is None else UUID(deleted_by),
            reason,
            events.CHAT_MESSAGE,
            events.CHAT_PINNED,
            events.CHAT_RESTORED,
        )
        return Span(**rows[0]) if rows[0]["messages"] else NOTHING

    async def restore(self, ids: Sequence[UUID], entry: int) -> list[Message]:
        """Restore the texts that were erased under an entry and are still kept; return the messages. One statement."""
        return [message_of(row) for row in await self._database.query(RESTORE, ids, entry)]

    async def show(self, message_id: UUID) -> list[Message]:
        """Restore the text of a hidden message; return it, or nothing if its text is no longer kept. One statement."""
        return [message_of(row) for row in await self._database.query(SHOW, [message_id])]
