"""`/notifications`: administrators send notifications, users read their own."""

from functools import partial

from gateway.http.routes import NOT_FOUND, READS, WRITES, Call, Route
from gateway.protocol.payloads.notifications import (
    MarkRead,
    NotificationPage,
    SendNotification,
    SentBatchPage,
    SentNotifications,
    Unread,
)
from gateway.protocol.queries import NotificationQuery, Page
from gateway.security.principal import ADMINS, MEMBERS
from gateway.services.notifications.notifications import Notifications as NotificationService


class Notifications:
    """The routes of notifications."""

    def __init__(self, notifications: NotificationService) -> None:
        self._notifications = notifications

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        admin, mine = partial(Route, who=ADMINS), partial(Route, who=MEMBERS)
        return [
            admin(
                "POST",
                "/notifications",
                self.send,
                body=SendNotification,
                answer=SentNotifications,
                limit=WRITES,
                status=201,
                raises=NOT_FOUND,
            ),
            mine("GET", "/notifications", self.page, query=NotificationQuery, answer=NotificationPage, limit=READS),
            mine("POST", "/notifications/read", self.mark_read, body=MarkRead, answer=Unread, limit=WRITES),
            admin("GET", "/notifications/sent", self.sent, query=Page, answer=SentBatchPage, limit=READS),
        ]

    async def send(self, call: Call[SendNotification, None]) -> SentNotifications:
        """Send a notification to some users."""
        return await self._notifications.send(call.principal, call.body)

    async def page(self, call: Call[None, NotificationQuery]) -> NotificationPage:
        """List the caller's notifications, newest first."""
        return await self._notifications.page(call.principal, call.query)

    async def mark_read(self, call: Call[MarkRead, None]) -> Unread:
        """Mark some or all of the caller's notifications as read."""
        return await self._notifications.mark_read(call.principal, call.body)

    async def sent(self, call: Call[None, Page]) -> SentBatchPage:
        """List the notifications that were sent, newest first, with the numbers of copies delivered and read."""
        return await self._notifications.sent(call.query)
