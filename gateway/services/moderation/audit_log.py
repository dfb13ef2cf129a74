"""The audit log: who moderated what, when and why. Written by the moderation services, read over HTTP."""

import json
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from gateway.postgres.database import Database
from gateway.protocol import cursors
from gateway.protocol.queries import LogQuery
from gateway.protocol.records import LogEntry, LogPage
from gateway.security.principal import Principal
from gateway.services.analytics.facts import NO_FACTS, Facts
from models.main.moderation import ModerationAction, ModerationEntry

# The facts have the keys of the people and no text; without the actor's there are none.
RECORD = """
    WITH entry AS (
        INSERT INTO moderation_log (action, stream_key, actor_id, subject_id, message_id, reason, details, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, clock_timestamp())
        RETURNING id, created_at, action, stream_key
    ), noted AS (
        INSERT INTO outbox (kind, payload)
        SELECT 'moderation', jsonb_build_array(
            jsonb_build_array(id, created_at, action, stream_key, $8::text, $9::text)
        ) FROM entry WHERE $8::text IS NOT NULL
    )
    SELECT id FROM entry
"""

Number = Annotated[int, Field(ge=1, lt=2**63)]  # an entry's id, as the database has it


class AuditLog:
    """Entries are added and never changed. None contains the text of a message."""

    def __init__(self, database: Database, facts: Facts = NO_FACTS) -> None:
        self._database = database
        self._facts = facts

    async def record(
        self,
        action: ModerationAction,
        actor: Principal,
        *,
        live_id: str | None = None,
        subject_id: str | None = None,
        message_id: str | None = None,
        reason: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> int:
        """Add an entry, within the transaction of the action, and return its id.

        Args:
            action: What was done.
            actor: The user who did it.
            live_id: The stream key; None for an action that holds everywhere.
            subject_id: The user or guest whom it concerns.
            message_id: The message that it concerns.
            reason: Why, in the actor's words.
            details: More, JSON-ready.
        """
        rows = await self._database.query(
            RECORD,
            action,
            live_id,
            UUID(actor.user_id),
            subject_id,
            None if message_id is None else UUID(message_id),
            reason,
            json.dumps(details or {}, ensure_ascii=False),
            self._facts.key(actor.user_id),
            self._facts.key(subject_id),
        )
        return int(rows[0]["id"])

    async def page(self, ask: LogQuery) -> LogPage:
        """Return a page of entries, newest first. Raises InvalidPayload for an invalid cursor, Unavailable."""
        given = {
            "stream_id": ask.live_id,
            "actor_id": ask.actor_id,
            "subject_id": ask.subject_id,
            "action": ask.action,
            "created_at__gte": ask.from_,
            "created_at__lt": ask.to,
        }
        found = ModerationEntry.filter(**{name: value for name, value in given.items() if value is not None})
        if ask.cursor is not None:
            (last,) = cursors.decode(ask.cursor, tuple[Number])
            found = found.filter(id__lt=last)
        async with self._database.guard("moderation_log.page"):
            entries = await found.order_by("-id").limit(ask.limit + 1)
        items, more = entries[: ask.limit], len(entries) > ask.limit
        return LogPage(
            items=[_view(entry) for entry in items], next_cursor=cursors.encode((items[-1].id,)) if more else None
        )


def _view(entry: ModerationEntry) -> LogEntry:
    return LogEntry(
        id=str(entry.id),
        action=entry.action,
        live_id=entry.stream_id,
        actor_id=str(entry.actor_id),
        subject_id=entry.subject_id,
        message_id=None if entry.message_id is None else str(entry.message_id),
        reason=entry.reason,
        details=entry.details,
        timestamp=entry.created_at,
    )
