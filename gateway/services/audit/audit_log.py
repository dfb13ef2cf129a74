"""The audit log: who of the staff did what, when and why. Written by services in their transactions, read over HTTP."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from gateway.clocks import iso
from gateway.postgres.database import Database
from gateway.protocol import cursors
from gateway.protocol.payloads.records import LogEntry, LogPage
from gateway.protocol.queries import LogQuery
from gateway.security.principal import Principal
from gateway.services.analytics.facts import NO_FACTS, Facts
from gateway.services.audit.names import names_of
from gateway.services.rooms.hosting import scope_of
from models.main.moderation import ModerationAction, ModerationEntry

# The facts have keys of people instead of ids, and no texts. Without the actor's key ($8) facts are off.
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

BATCH = 500  # entries read at once for an export
SKEW = timedelta(minutes=1)  # more than an entry can be older than one with a lower id

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
            details: More, JSON-ready but for amounts and times.
        """
        rows = await self._database.query(
            RECORD,
            action,
            live_id,
            UUID(actor.user_id),
            subject_id,
            None if message_id is None else UUID(message_id),
            reason,
            json.dumps(details or {}, ensure_ascii=False, default=_plain),
            self._facts.key(actor.user_id),
            self._facts.key(subject_id),
        )
        return int(rows[0]["id"])

    async def page(self, principal: Principal, request: LogQuery) -> LogPage:
        """Return a page of entries, newest first: all, or for hosts those of their own streams.

        Raises Forbidden for everybody else, InvalidPayload for an invalid cursor, and Unavailable.
        """
        host = await self._scope(principal, request)
        entries = await self._read(host, request, _before(request), request.limit + 1)
        items, cursor = cursors.page(entries, request.limit, lambda entry: (int(entry.id),))
        return LogPage(items=list(items), next_cursor=cursor)

    async def export(self, principal: Principal, request: LogQuery) -> AsyncIterator[LogEntry]:
        """Return all entries from the cursor on; `limit` is ignored. Raises as `page`, before the first entry."""
        return self._all(await self._scope(principal, request), request, _before(request))

    async def _all(self, host: UUID | None, request: LogQuery, before: int | None) -> AsyncIterator[LogEntry]:
        while entries := await self._read(host, request, before, BATCH):
            for entry in entries:
                yield entry
            if len(entries) < BATCH:
                return
            before = int(entries[-1].id)

    async def _scope(self, principal: Principal, request: LogQuery) -> UUID | None:
        async with self._database.guard("audit_log.scope"):
            return await scope_of(self._database, principal, request.live_id)

    async def _read(self, host: UUID | None, request: LogQuery, before: int | None, limit: int) -> list[LogEntry]:
        given = {
            "stream__host_id": host,
            "stream_id": request.live_id,
            "actor_id": request.actor_id,
            "subject_id": request.subject_id,
            "action": request.action,
            "created_at__gte": request.from_,
            "created_at__lt": request.to,
            "id__lt": before,
        }
        found = ModerationEntry.filter(**{name: value for name, value in given.items() if value is not None})
        async with self._database.guard("audit_log.read"):
            # Ids follow the time: bounds of ids spare a scan of all entries that are too new or too old.
            if request.to is not None:
                later = ModerationEntry.filter(created_at__gte=request.to + SKEW).order_by("created_at")
                if bound := await later.first().values_list("id", flat=True):
                    found = found.filter(id__lt=bound)
            if request.from_ is not None:
                earlier = ModerationEntry.filter(created_at__lt=request.from_ - SKEW).order_by("-created_at")
                if bound := await earlier.first().values_list("id", flat=True):
                    found = found.filter(id__gt=bound)
            entries = await found.order_by("-id").limit(limit)
            people = {str(entry.actor_id) for entry in entries} | {entry.subject_id for entry in entries}
            names = await names_of(self._database, people)
        return [_view(entry, names) for entry in entries]


def _plain(value: object) -> object:
    """Return the wire format of an amount or a time."""
    return iso(value) if isinstance(value, datetime) else float(value) if isinstance(value, Decimal) else str(value)


def _before(request: LogQuery) -> int | None:
    return None if request.cursor is None else cursors.decode(request.cursor, tuple[Number])[0]


def _view(entry: ModerationEntry, names: Mapping[str, str]) -> LogEntry:
    return LogEntry(
        id=str(entry.id),
        action=entry.action,
        live_id=entry.stream_id,
        actor_id=str(entry.actor_id),
        actor_name=names.get(str(entry.actor_id)),
        subject_id=entry.subject_id,
        subject_name=names.get(entry.subject_id or ""),
        message_id=None if entry.message_id is None else str(entry.message_id),
        reason=entry.reason,
        details=entry.details,
        timestamp=entry.created_at,
    )
