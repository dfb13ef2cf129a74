"""Reads the messages of a stream for staff: filtered, searched, exported. Called by the HTTP edge."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from pydantic import Field

from gateway.postgres.client import custom_plans
from gateway.postgres.database import Database
from gateway.protocol import cursors
from gateway.protocol.payloads.records import StoredMessage, StoredMessagePage
from gateway.protocol.queries import MessageQuery
from gateway.security.principal import Principal
from gateway.services.rooms.hosting import require_staff
from gateway.services.rooms.places import NO_END, places_between

BATCH = 500  # messages that an export reads at once and holds in memory

Place = Annotated[int, Field(ge=1, lt=2**63)]

FILTERED = """
    m.stream_key = $1 AND m.seq < $2 AND m.seq >= $3 AND (m.deleted_at IS NOT NULL) = $4
    AND ($5::text IS NULL OR m.sender_id = $5)
    AND ($6::timestamptz IS NULL OR m.created_at >= $6) AND ($7::timestamptz IS NULL OR m.created_at < $7)
"""

SHOWN = """
    SELECT m.*, d.deleted_by, d.reason FROM {found} m
    LEFT JOIN LATERAL (SELECT * FROM message_deletions WHERE message_id = m.id LIMIT 1) d ON true
"""

LISTED = SHOWN.format(found="messages") + f" WHERE {FILTERED} ORDER BY m.seq DESC LIMIT $8"

# Finds messages with all terms of the search and compares their texts, newest first, until the page is full. `OFFSET 0`
# keeps PostgreSQL from comparing texts first, and `MATERIALIZED` from looking up a common word in the index.
_FOUND = """
    found AS (
        SELECT m.* FROM (
            SELECT * FROM {among} m WHERE message_terms(m.text) @@ message_query($9) AND {filtered}
            ORDER BY m.seq DESC OFFSET 0
        ) m WHERE message_contains(m.text, $9) ORDER BY m.seq DESC LIMIT $8
    )
"""
SEARCHED = f"""
    WITH {_FOUND.format(among="messages", filtered=FILTERED)} {SHOWN.format(found="found")} ORDER BY m.seq DESC
"""
NEWEST_SEARCHED = f"""
    WITH newest AS MATERIALIZED (
        SELECT * FROM messages m WHERE {FILTERED} ORDER BY m.seq DESC LIMIT $10
    ), {_FOUND.format(among="newest", filtered="true")}, walked AS (
        SELECT min(seq) AS last, count(*) = $10 AS more FROM newest
    )
    SELECT m.*, last, more FROM walked LEFT JOIN ({SHOWN.format(found="found")}) m ON true ORDER BY m.seq DESC
"""  # noqa: S608  no values of clients

# A search scans the newest messages first, then looks up the NEAR places before them in the index, then all others: a
# common word fills a page in the first step, and a word that is not found there has few hits in total.
NEWEST = 1000  # messages: 10 ms
NEAR = 50_000  # places


class MessageSearch:
    """Lists messages, newest first, for administrators, moderators and the host of the stream.

    Raises Forbidden for everybody else, NotFound for an unknown stream, and Unavailable.

    A search finds the messages that contain all words of the search. A word in a script with spaces also matches the
    beginning of a longer word; letters of Hangul, Han, Kana or Thai match at any place.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, principal: Principal, live_id: str, request: MessageQuery) -> StoredMessagePage:
        """Return a page. Raises InvalidPayload for an invalid cursor."""
        async with self._database.guard("messages.require"):
            await require_staff(self._database, principal, live_id)
        messages = await self._read(live_id, request, _place(request), request.limit + 1)
        items, cursor = cursors.page(messages, request.limit, lambda message: (message.seq,))
        return StoredMessagePage(items=list(items), next_cursor=cursor)

    async def export(self, principal: Principal, live_id: str, request: MessageQuery) -> AsyncIterator[StoredMessage]:
        """Return all messages from the cursor on; `limit` is ignored. Raises as `page`, before the first message."""
        async with self._database.guard("messages.require"):
            await require_staff(self._database, principal, live_id)
        return self._all(live_id, request, _place(request))

    async def _all(self, live_id: str, request: MessageQuery, before: int) -> AsyncIterator[StoredMessage]:
        while messages := await self._read(live_id, request, before, BATCH):
            for message in messages:
                yield message
            if len(messages) < BATCH:
                return
            before = messages[-1].seq

    async def _read(self, live_id: str, request: MessageQuery, before: int, limit: int) -> list[StoredMessage]:
        async with self._database.guard("messages.read"):
            first, past = await places_between(self._database, live_id, request.from_, request.to)
            with custom_plans():
                rows = await self._rows(live_id, request, min(before, past), first, limit)
        return [_view(row) for row in rows]

    async def _rows(
        self, live_id: str, request: MessageQuery, before: int, first: int, limit: int
    ) -> list[dict[str, Any]]:
        query, filters = self._database.query, (request.deleted, request.user_id, request.from_, request.to)
        if request.search is None:
            return await query(LISTED, live_id, before, first, *filters, limit)
        answer = await query(NEWEST_SEARCHED, live_id, before, first, *filters, limit, request.search, NEWEST)
        rows, last = [row for row in answer if row["id"] is not None], answer[0]["last"]
        if answer[0]["more"]:
            for start in (max(last - NEAR, first), first):
                if start < last and len(rows) < limit:
                    rows += await query(SEARCHED, live_id, last, start, *filters, limit - len(rows), request.search)
                    last = start
        return rows


def _place(request: MessageQuery) -> int:
    if request.cursor is None:
        return NO_END
    (before,) = cursors.decode(request.cursor, tuple[Place])
    return before


def _view(row: dict[str, Any]) -> StoredMessage:
    return StoredMessage(
        id=str(row["id"]),
        seq=row["seq"],
        live_id=row["stream_key"],
        user_id=row["sender_id"],
        username=row["username"],
        role=row["role"],
        message=row["text"],
        client_message_id=row["client_message_id"],
        timestamp=row["created_at"],
        deleted_at=row["deleted_at"],
        deleted_by=None if row["deleted_by"] is None else str(row["deleted_by"]),
        reason=row["reason"],
    )
