"""Notifications: sent by admins, read by whom they are for. Called by the HTTP edge; deliveries do the rest."""

from uuid import UUID, uuid4

from tortoise.expressions import Q

from gateway.errors import Forbidden, NotFound
from gateway.postgres.database import Database
from gateway.protocol import cursors
from gateway.protocol.notifications import (
    Notification,
    NotificationPage,
    SendNotification,
    SentNotification,
    SentNotifications,
)
from gateway.protocol.queries import Page
from gateway.protocol.wire import Moment, now
from gateway.realtime.notices import NoticeSender, NotificationSent
from gateway.security.principal import Principal
from models.notification import Level
from models.notification import Notification as Row

# One copy for each person that exists. As rows, so that an unknown one makes a difference that can be counted.
STORE = """
INSERT INTO notifications (id, user_id, title, message, level, created_at)
SELECT copy.id, users.id, $3, $4, $5, $6
FROM unnest($1::uuid[], $2::uuid[]) AS copy (id, user_id) JOIN users ON users.id = copy.user_id
RETURNING notifications.id
"""


class Notifications:
    """What is sent is stored for everybody it is for in one transaction, then told; who is away gets it later.

    Raises Unavailable while the database is away.
    """

    def __init__(self, database: Database, notices: NoticeSender) -> None:
        self._database = database
        self._notices = notices

    async def send(self, ask: SendNotification) -> SentNotifications:
        """Send one text to some users. Raises NotFound, and sends nothing, if one of them does not exist."""
        copies = {user_id: uuid4() for user_id in ask.people}
        moment = now()
        ids, people = list(copies.values()), list(copies)
        async with self._database.guard("notifications.send"), self._database.transaction():
            stored = await self._database.query(STORE, ids, people, ask.title, ask.message, ask.level, moment)
            if len(stored) < len(copies):
                raise NotFound("There is no such user")
        whose = {str(user_id): str(copy) for user_id, copy in copies.items()}
        await self._notices.notify(NotificationSent(whose, ask.title, ask.message, ask.level, moment))
        return SentNotifications(items=[SentNotification(id=copy, user_id=user) for user, copy in whose.items()])

    async def page(self, principal: Principal, ask: Page) -> NotificationPage:
        """A page of one's own, newest first. Raises InvalidPayload for a cursor that is none."""
        if not principal.authenticated:
            raise Forbidden("Guests have no notifications")
        found = Row.filter(user_id=principal.user_id)
        if ask.cursor is not None:
            moment, last = cursors.decode(ask.cursor, tuple[Moment, UUID])
            found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=last))
        async with self._database.guard("notifications.page"):
            rows = await found.order_by("-created_at", "-id").limit(ask.limit + 1)
        items, more = rows[: ask.limit], len(rows) > ask.limit
        place = cursors.encode((items[-1].created_at.isoformat(), str(items[-1].id))) if more else None
        return NotificationPage(items=[view(row) for row in items], next_cursor=place)


def view(row: Row) -> Notification:
    """A notification as payload."""
    return Notification(
        id=str(row.id), title=row.title, message=row.message, level=Level(row.level).value, timestamp=row.created_at
    )
