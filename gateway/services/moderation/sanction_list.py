"""Lists mutes and bans for staff. Called by the HTTP edge and by the sanctions service."""

from typing import Any
from uuid import UUID

from gateway.errors import NotFound
from gateway.postgres.database import Database
from gateway.protocol import cursors
from gateway.protocol.ids import uuid_or_missing
from gateway.protocol.payloads.moderation import until
from gateway.protocol.payloads.records import SanctionPage, SanctionView
from gateway.protocol.queries import SanctionQuery
from gateway.protocol.wire import Moment
from gateway.security.principal import Principal
from gateway.security.sessions.guest_ids import is_guest, name_of
from gateway.services.rooms.hosting import scope_of

VIEW = """
    SELECT s.*, imposer.username AS imposed_by_name, lifter.username AS lifted_by_name, subject.username,
        s.lifted_at IS NULL AND (s.ends_at IS NULL OR s.ends_at > clock_timestamp()) AS active
    FROM sanctions s
    JOIN users imposer ON imposer.id = s.created_by
    LEFT JOIN users lifter ON lifter.id = s.lifted_by
    LEFT JOIN users subject
        ON subject.id = CASE WHEN s.subject_id ~ '^[0-9a-f-]{36}$' THEN s.subject_id::uuid END
"""

GET = f"{VIEW} WHERE s.id = $1"

# $1: the host to whose streams the page is limited, or NULL. The page begins after the sanction of the cursor ($6, $7).
PAGE = f"""
    {VIEW}
    WHERE ($1::uuid IS NULL OR s.stream_key IN (SELECT key FROM streams WHERE host_id = $1))
        AND ($2::text IS NULL OR s.subject_id = $2)
        AND ($3::text IS NULL OR s.stream_key = $3)
        AND ($4::text IS NULL OR s.kind = $4)
        AND ($5::boolean IS NULL
            OR (s.lifted_at IS NULL AND (s.ends_at IS NULL OR s.ends_at > clock_timestamp())) = $5)
        AND ($6::timestamptz IS NULL OR (s.created_at, s.id) < ($6, $7::uuid))
    ORDER BY s.created_at DESC, s.id DESC LIMIT $8
"""  # noqa: S608  no values of clients


class SanctionList:
    """Lists sanctions with the names of people; ended sanctions, too. Raises Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, principal: Principal, request: SanctionQuery) -> SanctionPage:
        """Return a page, newest first: all for administrators and moderators, for hosts those in their own rooms.

        Raises Forbidden for everybody else, and InvalidPayload for an invalid cursor.
        """
        moment, last = (None, None) if request.cursor is None else cursors.decode(request.cursor, tuple[Moment, UUID])
        async with self._database.guard("sanctions.page"):
            host = await scope_of(self._database, principal, request.live_id)
            rows = await self._database.query(
                PAGE,
                host,
                request.user_id,
                request.live_id,
                request.kind,
                request.active,
                moment,
                last,
                request.limit + 1,
            )
        items, cursor = cursors.page(rows, request.limit, lambda row: (row["created_at"], row["id"]))
        return SanctionPage(items=[_view(row) for row in items], next_cursor=cursor)

    async def get(self, sanction_id: str) -> SanctionView:
        """Return a sanction. Raises NotFound."""
        key = uuid_or_missing(sanction_id, "sanction")
        async with self._database.guard("sanctions.get"):
            for row in await self._database.query(GET, key):
                return _view(row)
        raise NotFound("There is no such sanction")


def _view(row: dict[str, Any]) -> SanctionView:
    subject, ends_at, lifted_at, lifted_by = row["subject_id"], row["ends_at"], row["lifted_at"], row["lifted_by"]
    ran_out = None not in (ends_at, lifted_at) and lifted_at >= ends_at
    return SanctionView(
        id=str(row["id"]),
        kind=row["kind"],
        live_id=row["stream_key"],
        user_id=subject,
        username=name_of(subject) if is_guest(subject) else row["username"],
        reason=row["reason"],
        imposed_by=str(row["created_by"]),
        imposed_by_name=row["imposed_by_name"],
        created_at=row["created_at"],
        until=until(ends_at),
        active=row["active"],
        lifted_at=None if ran_out else lifted_at,
        lifted_by=None if lifted_by is None else str(lifted_by),
        lifted_by_name=row["lifted_by_name"],
    )
