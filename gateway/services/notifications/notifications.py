"""Notifications: sent by administrators, listed and marked as read by recipients. Called by the HTTP edge."""

from typing import Any
from uuid import UUID, uuid4

from tortoise.expressions import Q

from gateway.clocks import now
from gateway.errors import NotFound
from gateway.postgres.database import Database
from gateway.protocol import cursors
from gateway.protocol.payloads.notifications import (
    MarkRead,
    Notification,
    NotificationPage,
    NotificationView,
    SendNotification,
    SentBatch,
    SentBatchPage,
    SentNotification,
    SentNotifications,
    Unread,
)
from gateway.protocol.queries import NotificationQuery, Page
from gateway.protocol.wire import Moment
from gateway.realtime.notices import NoticeSender, NotificationSent
from gateway.security.principal import Principal
from models.main.notification import Level
from models.main.notification import Notification as Row

# One copy for each recipient that exists. Fewer rows than recipients mean that one is unknown.
STORE = """
INSERT INTO notifications (id, user_id, title, message, level, created_at, batch_id, sent_by)
SELECT copy.id, users.id, $3, $4, $5, $6, $7, $8
FROM unnest($1::uuid[], $2::uuid[]) AS copy (id, user_id) JOIN users ON users.id = copy.user_id
RETURNING notifications.id
"""


MARK_READ = """
UPDATE notifications SET read_at = clock_timestamp()
WHERE user_id = $1 AND read_at IS NULL AND ($2::uuid[] IS NULL OR id = ANY ($2))
"""

UNREAD = """
SELECT count(*) AS unread FROM (SELECT FROM notifications WHERE user_id = $1 AND read_at IS NULL LIMIT $2) AS unread
"""

# The copies of a batch have the same creation time, so they are adjacent in the index.
SENT = """
SELECT batch.*, users.username AS sent_by_name FROM (
    SELECT batch_id, created_at, min(title) AS title, min(message) AS message, min(level) AS level,
        min(sent_by::text)::uuid AS sent_by, count(*) AS recipients, count(delivered_at) AS delivered,
        count(read_at) AS read
    FROM notifications
    WHERE batch_id IS NOT NULL AND (created_at, batch_id) < (coalesce($1::timestamptz, 'infinity'), $2::uuid)
    GROUP BY created_at, batch_id ORDER BY created_at DESC, batch_id DESC LIMIT $3
) AS batch LEFT JOIN users ON users.id = batch.sent_by
ORDER BY batch.created_at DESC, batch.batch_id DESC
"""

LAST = UUID(int=2**128 - 1)  # above every id
MOST_UNREAD = 1000  # unread notifications that are counted


class Notifications:
    """Stores the copies of all recipients in one transaction, then notifies the nodes, which deliver them.

    Raises Unavailable.
    """

    def __init__(self, database: Database, notices: NoticeSender) -> None:
        self._database = database
        self._notices = notices

    async def send(self, admin: Principal, request: SendNotification) -> SentNotifications:
        """Send a notification to some users. Raises NotFound, and sends nothing, if one of them does not exist."""
        copies = {user_id: uuid4() for user_id in request.recipients}
        moment, batch = now(), uuid4()
        ids, recipients = list(copies.values()), list(copies)
        text = (request.title, request.message, request.level)
        async with self._database.guard("notifications.send"), self._database.transaction():
            stored = await self._database.query(STORE, ids, recipients, *text, moment, batch, UUID(admin.user_id))
            if len(stored) < len(copies):
                raise NotFound("There is no such user")
        by_user = {str(user_id): str(copy) for user_id, copy in copies.items()}
        await self._notices.notify(NotificationSent(by_user, request.title, request.message, request.level, moment))
        return SentNotifications(
            id=str(batch), items=[SentNotification(id=copy, user_id=user) for user, copy in by_user.items()]
        )

    async def page(self, principal: Principal, request: NotificationQuery) -> NotificationPage:
        """Return a page of the caller's notifications, newest first. Raises InvalidPayload for an invalid cursor."""
        found = Row.filter(user_id=principal.user_id)
        if request.unread:
            found = found.filter(read_at__isnull=True)
        if request.cursor is not None:
            moment, last = cursors.decode(request.cursor, tuple[Moment, UUID])
            found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=last))
        async with self._database.guard("notifications.page"):
            rows = await found.order_by("-created_at", "-id").limit(request.limit + 1)
            unread = await self._unread(principal)
        items, cursor = cursors.page(rows, request.limit, lambda row: (row.created_at, row.id))
        return NotificationPage(items=[_listed(row) for row in items], next_cursor=cursor, unread=unread)

    async def mark_read(self, principal: Principal, request: MarkRead) -> Unread:
        """Mark some or all of the caller's notifications as read; unknown ids have no effect."""
        async with self._database.guard("notifications.mark_read"):
            await self._database.query(MARK_READ, UUID(principal.user_id), request.ids)
            return Unread(unread=await self._unread(principal))

    async def sent(self, request: Page) -> SentBatchPage:
        """Return a page of sent notifications, newest first. Raises InvalidPayload for an invalid cursor."""
        moment, last = (None, LAST) if request.cursor is None else cursors.decode(request.cursor, tuple[Moment, UUID])
        async with self._database.guard("notifications.sent"):
            rows = await self._database.query(SENT, moment, last, request.limit + 1)
        items, cursor = cursors.page(rows, request.limit, lambda row: (row["created_at"], row["batch_id"]))
        return SentBatchPage(items=[_batch(row) for row in items], next_cursor=cursor)

    async def _unread(self, principal: Principal) -> int:
        rows = await self._database.query(UNREAD, UUID(principal.user_id), MOST_UNREAD)
        return int(rows[0]["unread"])


def _listed(row: Row) -> NotificationView:
    return NotificationView(**view(row).model_dump(), read_at=row.read_at)


def _batch(row: dict[str, Any]) -> SentBatch:
    return SentBatch(
        id=str(row["batch_id"]),
        title=row["title"],
        message=row["message"],
        level=row["level"],
        sent_by=None if row["sent_by"] is None else str(row["sent_by"]),
        sent_by_name=row["sent_by_name"],
        recipients=row["recipients"],
        delivered=row["delivered"],
        read=row["read"],
        timestamp=row["created_at"],
    )


def view(row: Row) -> Notification:
    """Return a notification as payload."""
    return Notification(
        id=str(row.id), title=row.title, message=row.message, level=Level(row.level).value, timestamp=row.created_at
    )
