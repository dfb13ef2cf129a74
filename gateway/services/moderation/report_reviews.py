"""Lists reported messages for staff, who keep or delete them. Called by the HTTP edge."""

import json
from typing import Any
from uuid import UUID

from gateway.errors import Conflict, Forbidden, NotFound
from gateway.keys import chat_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol import cursors
from gateway.protocol.payloads.chat import DeleteMessage
from gateway.protocol.payloads.reports import (
    ReportedMessageDetail,
    ReportedMessagePage,
    ReportedMessageView,
    ReportNote,
    ReviewReports,
)
from gateway.protocol.powers import Power
from gateway.protocol.queries import ReportQuery
from gateway.protocol.wire import Moment
from gateway.security.powers import powers
from gateway.security.principal import Principal, Role
from gateway.services.audit.audit_log import AuditLog
from gateway.services.chat.messages import message_of, uuid_of
from gateway.services.moderation.clears import restored
from gateway.services.moderation.deletions import Deletions
from gateway.services.moderation.erasure import Erasure
from gateway.services.moderation.permissions import Permissions
from gateway.services.rooms.hosting import require_staff, scope_of
from gateway.services.rooms.log import RoomLog
from gateway.services.rooms.outbox import Outbox
from models.main.moderation import ModerationAction

AROUND = 3  # messages shown before and after a reported one
NOTES = 20  # of one message

# Staff sees the text of a hidden message. A message that a clear has deleted needs no review.
VIEW = """
    SELECT c.message_id, c.stream_key AS live_id, c.created_at AS first_reported_at, c.reviewed_by::text, c.reviewed_at,
        m.seq, m.sender_id AS user_id, m.username, m.role, m.created_at AS timestamp, state.*,
        CASE WHEN state.hidden THEN d.text ELSE m.text END AS message, reports.*,
        (SELECT username FROM users WHERE id = c.reviewed_by) AS reviewed_by_name
    FROM reported_messages c
    CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = c.message_id LIMIT 1) m
    LEFT JOIN LATERAL (SELECT text, deleted_by FROM message_deletions WHERE message_id = m.id LIMIT 1) d ON true
    CROSS JOIN LATERAL (
        SELECT m.deleted_at IS NOT NULL AND d.deleted_by IS NULL AS hidden, CASE
            WHEN c.decision IS NOT NULL THEN c.decision
            WHEN m.deleted_at IS NOT NULL AND d.deleted_by IS NOT NULL THEN 'DELETED' ELSE 'OPEN'
        END AS status
    ) state
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(n), 0)::int AS reports, max(last) AS last_reported_at,
            jsonb_object_agg(reason, n ORDER BY reason)::text AS reasons
        FROM (
            SELECT reason, count(*) AS n, max(created_at) AS last FROM message_reports
            WHERE message_id = c.message_id GROUP BY reason
        ) by_reason
    ) reports
    WHERE {where}
"""

# $1: the host to whose streams the page is limited, or NULL. The page begins after the message of the cursor ($7, $8).
PAGE = VIEW.format(
    where="""
    ($1::uuid IS NULL OR c.stream_key IN (SELECT key FROM streams WHERE host_id = $1))
        AND ($2::text IS NULL OR c.stream_key = $2)
        AND ($3::text IS NULL OR state.status = $3) AND ($3 IS DISTINCT FROM 'OPEN' OR c.decision IS NULL)
        AND ($4::text IS NULL
            OR (SELECT 1 FROM message_reports WHERE message_id = c.message_id AND reason = $4 LIMIT 1) IS NOT NULL)
        AND ($5::text IS NULL OR m.sender_id = $5)
        AND ($6::boolean IS NULL OR state.hidden = $6)
        AND ($7::timestamptz IS NULL OR (c.created_at, c.message_id) < ($7, $8::uuid))
    ORDER BY c.created_at DESC, c.message_id DESC LIMIT $9
"""
)

GET = VIEW.format(where="c.message_id = $1")

ROOM = "SELECT stream_key FROM messages WHERE id = $1"

OPEN = """
    SELECT count(*)::int AS open FROM reported_messages c
    CROSS JOIN LATERAL (SELECT deleted_at FROM messages WHERE id = c.message_id LIMIT 1) m
    LEFT JOIN LATERAL (SELECT deleted_by FROM message_deletions WHERE message_id = c.message_id LIMIT 1) d ON true
    WHERE c.decision IS NULL AND (m.deleted_at IS NULL OR d.deleted_by IS NULL)
        AND ($1::uuid IS NULL OR c.stream_key IN (SELECT key FROM streams WHERE host_id = $1))
        AND ($2::text IS NULL OR c.stream_key = $2)
"""

NOTED = """
    SELECT reason, note, created_at AS timestamp FROM message_reports
    WHERE message_id = $1 AND note IS NOT NULL ORDER BY created_at DESC LIMIT $2
"""

BEFORE = """
    SELECT * FROM messages WHERE stream_key = $1 AND deleted_at IS NULL AND seq < $2 ORDER BY seq DESC LIMIT $3
"""
AFTER = "SELECT * FROM messages WHERE stream_key = $1 AND deleted_at IS NULL AND seq > $2 ORDER BY seq LIMIT $3"

OTHERS = "SELECT FROM message_reports WHERE message_id = $1 AND reporter_id <> $2 LIMIT 1"

KEEP = """
    UPDATE reported_messages SET decision = 'KEPT', reviewed_by = $2, reviewed_at = clock_timestamp()
    WHERE message_id = $1
"""


class ReportReviews:
    """Reviews messages, for administrators and moderators, and for hosts in the rooms of their own streams.

    Raises Forbidden for everybody else, NotFound for a message without reports, and Unavailable.
    """

    def __init__(
        self,
        database: Database,
        log: RoomLog,
        outbox: Outbox,
        permissions: Permissions,
        audit_log: AuditLog,
        deletions: Deletions,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._log = log
        self._outbox = outbox
        self._permissions = permissions
        self._audit_log = audit_log
        self._deletions = deletions
        self._erasure = Erasure(database)
        self._metrics = metrics

    async def page(self, principal: Principal, request: ReportQuery) -> ReportedMessagePage:
        """Return a page, newest first. Raises InvalidPayload for an invalid cursor."""
        moment, last = (None, None) if request.cursor is None else cursors.decode(request.cursor, tuple[Moment, UUID])
        async with self._database.guard("reports.page"):
            host = await self._scope(principal, request.live_id)
            rows = await self._database.query(
                PAGE,
                host,
                request.live_id,
                request.status,
                request.reason,
                request.user_id,
                request.hidden,
                moment,
                last,
                request.limit + 1,
            )
            (count,) = await self._database.query(OPEN, host, request.live_id)
        items, cursor = cursors.page(rows, request.limit, lambda row: (row["first_reported_at"], row["message_id"]))
        return ReportedMessagePage(items=[_view(row) for row in items], next_cursor=cursor, open=count["open"])

    async def get(self, principal: Principal, message_id: str) -> ReportedMessageDetail:
        """Return one reported message with notes and the messages around it."""
        key = uuid_of(message_id)
        async with self._database.guard("reports.get"):
            found = await self._find(principal, key)
            notes = await self._database.query(NOTED, key, NOTES)
            before = await self._database.query(BEFORE, found.live_id, found.seq, AROUND)
            after = await self._database.query(AFTER, found.live_id, found.seq, AROUND)
        return ReportedMessageDetail(
            **dict(found),
            notes=[ReportNote(**row) for row in notes],
            before=[message_of(row) for row in reversed(before)],
            after=[message_of(row) for row in after],
        )

    async def review(self, principal: Principal, message_id: str, request: ReviewReports) -> ReportedMessageView:
        """Keep or delete a reported message, and return it. Repeating a decision has no effect.

        Only administrators may delete a message that nobody else has reported, or keep a message of their own.

        Raises:
            Forbidden: As above.
            GatewayError: BANNED, MUTED.
            Conflict: The message to keep was deleted, or the text of the hidden message is no longer stored.
        """
        key = uuid_of(message_id)
        async with self._database.guard("reports.find"):
            found = await self._find(principal, key)
        if request.decision == "KEEP":
            await self._keep(principal, key, found.live_id, request.reason)
        else:
            await self._delete(principal, key, found, request.reason)
        async with self._database.guard("reports.get"):
            return await self._get(key)

    async def _keep(self, principal: Principal, key: UUID, live_id: str, reason: str | None) -> None:
        room = chat_room(live_id)
        async with self._outbox.change("reports.keep", room) as outgoing:
            await self._log.lock(room)
            await self._permissions.require(principal, Power.REVIEW, live_id)
            found = await self._get(key)
            if found.status == "KEPT":
                return
            if found.status == "DELETED":
                raise Conflict("The message was deleted")
            if found.user_id == principal.user_id and not _may_delete(principal):
                raise Forbidden("You cannot review your own message")
            back = await self._erasure.show(key) if found.hidden else []
            if found.hidden and not back:
                raise Conflict("The text of the message is no longer stored")
            entry = await self._audit_log.record(
                ModerationAction.KEEP_MESSAGE,
                principal,
                live_id=live_id,
                subject_id=found.user_id,
                message_id=str(key),
                reason=reason,
                details=_details(found),
            )
            await self._database.query(KEEP, key, UUID(principal.user_id))
            outgoing.extend(restored(live_id, str(entry), back))
        self._metrics.messages_restored.inc(len(back))
        self._metrics.reports.labels("kept").inc()

    async def _delete(self, principal: Principal, key: UUID, found: ReportedMessageView, reason: str | None) -> None:
        async def check() -> None:
            await self._permissions.require(principal, Power.REVIEW, found.live_id)
            if not _may_delete(principal) and not await self._database.query(OTHERS, key, principal.user_id):
                raise Forbidden("Nobody else has reported this message")

        request = DeleteMessage.model_validate({"liveId": found.live_id, "messageId": str(key), "reason": reason})
        if found.status != "DELETED":
            await self._deletions.delete_if(principal, request, check, _details(found))
            self._metrics.reports.labels("deleted").inc()
        else:
            async with self._database.guard("reports.check"):
                await check()

    async def _scope(self, principal: Principal, live_id: str | None) -> UUID | None:
        """Return the host to whose streams a reader is limited. Unlike `scope_of`, accept a host without streams."""
        if live_id is None and principal.role is Role.HOST:
            return UUID(principal.user_id)
        return await scope_of(self._database, principal, live_id)

    async def _find(self, principal: Principal, key: UUID) -> ReportedMessageView:
        """Return a reported message. Check the reader first: only staff may know whether a message was reported."""
        for row in await self._database.query(ROOM, key):
            await require_staff(self._database, principal, row["stream_key"])
        return await self._get(key)

    async def _get(self, key: UUID) -> ReportedMessageView:
        for row in await self._database.query(GET, key):
            return _view(row)
        raise NotFound("Nobody has reported this message")


def _may_delete(principal: Principal) -> bool:
    return Power.DELETE in powers(principal.role, hosting=False)


def _details(found: ReportedMessageView) -> dict[str, Any]:
    return {"reports": found.reports, "reasons": found.reasons, "hidden": found.hidden}


def _view(row: dict[str, Any]) -> ReportedMessageView:
    fields = {name: row[name] for name in ReportedMessageView.model_fields}
    return ReportedMessageView(**fields | {"message_id": str(row["message_id"]), "reasons": json.loads(row["reasons"])})
