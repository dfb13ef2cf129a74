"""Stores viewers' reports of messages, and hides messages that many report. Called by `/chat`."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from gateway.concurrency.batcher import Batcher
from gateway.errors import Code, Conflict, Forbidden, GatewayError, NotFound, Unavailable
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.postgres.errors import ConstraintError
from gateway.protocol.payloads.chat import DeleteMessage
from gateway.protocol.payloads.reports import HostedReports, OpenReports, Report, Reported
from gateway.security.principal import MODERATORS, Principal
from gateway.services.chat.messages import uuid_of
from gateway.services.chat.standing import Standings
from gateway.services.moderation.deletions import Deletions

BATCH = 100  # reports in one statement
WAITING = 1000  # reports without an answer; further ones are refused with Unavailable
REVIEWED = 50  # last reports of a person whose reviews decide the weight of the next one

# The weight of a report is the share of the person's last reviewed reports that staff agreed with, plus one that counts
# as agreed. It is 0 for a guest, and for an account that is younger than the message. The reports of a message have no
# counter in its row, for whose lock many reports would wait. Rows are written in one order against deadlocks.
REPORT = """
    WITH asked AS MATERIALIZED (
        SELECT g.*, m.id AS message_id, m.stream_key, m.sender_id = g.reporter AS own, m.created_at AS sent_at,
            m.deleted_at IS NOT NULL AND d.deleted_by IS NOT NULL AS deleted
        FROM unnest((SELECT $1::text[]), (SELECT $2::uuid[]), (SELECT $3::text[]), (SELECT $4::uuid[]),
            (SELECT $5::text[]), (SELECT $6::text[]))
            WITH ORDINALITY AS g (room, message, reporter, account, reason, note, place)
        JOIN LATERAL (SELECT * FROM messages WHERE id = g.message LIMIT 1) m ON m.stream_key = g.room
        LEFT JOIN LATERAL (SELECT deleted_by FROM message_deletions WHERE message_id = m.id LIMIT 1) d ON true
    ), made AS (
        INSERT INTO message_reports (message_id, reporter_id, reason, note, weight, created_at)
        SELECT a.message_id, a.reporter, a.reason, a.note, CASE
            WHEN u.created_at < a.sent_at THEN (1 + past.upheld) / (1 + past.upheld + past.rejected)::float8 ELSE 0
        END, clock_timestamp()
        FROM asked a
        LEFT JOIN LATERAL (SELECT created_at FROM users WHERE id = a.account LIMIT 1) u ON true
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE c.decision = 'DELETED') AS upheld,
                count(*) FILTER (WHERE c.decision = 'KEPT') AS rejected
            FROM (
                SELECT message_id, created_at FROM message_reports
                WHERE reporter_id = a.reporter ORDER BY created_at DESC LIMIT $7
            ) mine CROSS JOIN LATERAL (
                SELECT decision FROM reported_messages
                WHERE message_id = mine.message_id AND reviewed_at > mine.created_at LIMIT 1
            ) c
        ) past
        WHERE NOT a.own AND NOT a.deleted ORDER BY a.message_id, a.reporter
        ON CONFLICT (message_id, reporter_id) DO NOTHING
        RETURNING message_id, reporter_id
    ), opened AS (
        INSERT INTO reported_messages (message_id, stream_key, created_at)
        SELECT DISTINCT message_id, stream_key, clock_timestamp() FROM asked
        WHERE message_id IN (SELECT message_id FROM made) ORDER BY message_id
        ON CONFLICT (message_id) DO NOTHING
    )
    SELECT a.place, a.own, a.deleted,
        (a.message_id, a.reporter) NOT IN (SELECT message_id, reporter_id FROM made) AS duplicate
    FROM asked a
"""

MADE = "SELECT FROM message_reports WHERE message_id = $1 AND reporter_id = $2"

# The messages with enough reports to hide them: shown, not reviewed, and not sent by the staff of the room.
DUE = """
    SELECT c.message_id, c.stream_key
    FROM unnest((SELECT $1::uuid[])) AS asked (id)
    CROSS JOIN LATERAL (
        SELECT * FROM reported_messages WHERE message_id = asked.id AND decision IS NULL LIMIT 1
    ) c
    CROSS JOIN LATERAL (
        SELECT sender_id, role, deleted_at FROM messages WHERE id = asked.id LIMIT 1
    ) m
    CROSS JOIN LATERAL (SELECT host_id FROM streams WHERE key = c.stream_key LIMIT 1) s
    WHERE m.deleted_at IS NULL AND m.role <> ALL ($3) AND s.host_id::text <> m.sender_id
        AND (SELECT sum(weight) FROM message_reports WHERE message_id = asked.id) >= $2::float8
"""

# The open reports of rooms. A cleared message needs no review, unless the clear is undone.
OPEN = """
    SELECT g.room AS live_id, s.host_id::text AS host_id, count(c.message_id)::int AS open,
        count(c.message_id) FILTER (WHERE c.hidden)::int AS hidden, coalesce(sum(c.reports), 0)::int AS reports
    FROM unnest((SELECT $1::text[])) AS g (room)
    CROSS JOIN LATERAL (SELECT host_id FROM streams WHERE key = g.room LIMIT 1) s
    LEFT JOIN LATERAL (
        SELECT r.message_id, m.deleted_at IS NOT NULL AS hidden,
            (SELECT count(*) FROM message_reports WHERE message_id = r.message_id) AS reports
        FROM reported_messages r
        CROSS JOIN LATERAL (SELECT deleted_at FROM messages WHERE id = r.message_id LIMIT 1) m
        LEFT JOIN LATERAL (
            SELECT deleted_by FROM message_deletions WHERE message_id = r.message_id LIMIT 1
        ) d ON true
        WHERE r.stream_key = g.room AND r.decision IS NULL AND (m.deleted_at IS NULL OR d.deleted_by IS NULL)
    ) c ON true
    GROUP BY g.room, s.host_id
"""

REASON = "reported"  # in the event of a hidden message


class _Draft(NamedTuple):
    """The columns of a report."""

    live_id: str
    message_id: UUID
    reporter: str
    account: UUID | None  # None for a guest
    reason: str
    note: str | None


class MessageReports:
    """Stores reports in batches, so that a room that reports one message uses one connection of a node.

    Args:
        database: The main database.
        standings: To refuse reports of banned and muted people.
        deletions: Hides messages.
        metrics: Counts reports and hidden messages.
        hide_at: The weight of reports that hides a message; 0 hides none.
    """

    def __init__(
        self, database: Database, standings: Standings, deletions: Deletions, metrics: Metrics, hide_at: int
    ) -> None:
        self._database = database
        self._standings = standings
        self._deletions = deletions
        self._metrics = metrics
        self._hide_at = hide_at
        self._batches: Batcher[_Draft, bool] = Batcher(
            "reports", self._store, most=BATCH, waiting=WAITING, unavailable=Unavailable, retry=True
        )

    async def close(self) -> None:
        """Refuse further reports; return when the accepted ones are stored."""
        await self._batches.close()

    async def report(self, principal: Principal, request: Report) -> Reported:
        """Store a report of a message for the staff of the room. A second report by the same person has no effect.

        Raises:
            NotFound: There is no such message in this room.
            Conflict: The message was deleted.
            Forbidden: It is the person's own message.
            GatewayError: BANNED, MUTED.
            Unavailable: The database is unavailable, or too many reports wait.
        """
        message_id = uuid_of(request.message_id)
        (await self._standings.read(principal, request.live_id)).require(Code.BANNED, Code.MUTED)
        account = UUID(principal.user_id) if principal.authenticated else None
        draft = _Draft(request.live_id, message_id, principal.user_id, account, request.reason, request.note or None)
        try:
            duplicate = await self._batches.call(draft)
        except ConstraintError:  # the message was deleted with its stream in between
            raise NotFound("There is no such message") from None
        self._metrics.reports.labels("repeated" if duplicate else "made").inc()
        return Reported(message_id=str(message_id), duplicate=duplicate)

    async def repeated(self, principal: Principal, request: Report) -> Reported | None:
        """Return the answer to a repeated report; None if the person has not reported the message before."""
        message_id = uuid_of(request.message_id)
        async with self._database.guard("reports.repeated"):
            made = await self._database.query(MADE, message_id, principal.user_id)
        return Reported(message_id=str(message_id), duplicate=True) if made else None

    async def open_in(self, live_ids: Sequence[str]) -> list[HostedReports]:
        """Return the open reports of rooms; unknown rooms are left out. Raises Unavailable."""
        async with self._database.guard("reports.open"):
            rows = await self._database.query(OPEN, list(live_ids))
        return [HostedReports(host_id=row.pop("host_id"), reports=OpenReports(**row)) for row in rows]

    async def _store(self, drafts: list[_Draft]) -> Sequence[bool | Exception]:
        """Store a batch, then hide the messages that enough people have reported; return which were duplicates."""
        async with self._database.guard("reports.make"):
            columns: list[Any] = [list(column) for column in zip(*drafts, strict=True)]
            rows = await self._database.query(REPORT, *columns, REVIEWED)
        answers: list[bool | GatewayError] = [NotFound("There is no such message")] * len(drafts)
        for row in rows:
            answers[row["place"] - 1] = _answer(row)
        if self._hide_at:
            await self._hide(list({draft.message_id for draft in drafts}))
        return answers

    async def _hide(self, message_ids: list[UUID]) -> None:
        """Hide the messages that are due, each once: `due` is checked again with the room locked.

        If this fails, the next report hides them, even a repeated one.
        """
        for row in await self._due(message_ids):
            message_id, live_id = row["message_id"], row["stream_key"]

            async def due(message_id: UUID = message_id) -> bool:
                return bool(await self._database.query(DUE, [message_id], self._hide_at, list(MODERATORS)))

            request = DeleteMessage.model_validate({"liveId": live_id, "messageId": str(message_id), "reason": REASON})
            if await self._deletions.hide_if(request, due):
                self._metrics.reports.labels("hidden").inc()

    async def _due(self, message_ids: list[UUID]) -> list[dict[str, Any]]:
        async with self._database.guard("reports.due"):
            return await self._database.query(DUE, message_ids, self._hide_at, list(MODERATORS))


def _answer(row: dict[str, Any]) -> bool | GatewayError:
    if row["own"]:
        return Forbidden("You cannot report your own message")
    if row["deleted"]:
        return Conflict("The message was deleted")
    return bool(row["duplicate"])
