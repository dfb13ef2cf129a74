"""`/notifications`: sent by admins, read by whom they are for."""

from gateway.http.routes import READS, WRITES, Call, Route
from gateway.protocol.notifications import NotificationPage, SendNotification, SentNotifications
from gateway.protocol.queries import Page
from gateway.security.principal import ADMINS, MEMBERS
from gateway.services.notifications.notifications import Notifications as NotificationService


class Notifications:
    """The routes of notifications."""

    def __init__(self, notifications: NotificationService) -> None:
        self._notifications = notifications

    def routes(self) -> list[Route]:
        """The table."""
        return [
            Route(
                "POST",
                "/notifications",
                self.send,
                body=SendNotification,
                answer=SentNotifications,
                who=ADMINS,
                limit=WRITES,
                status=201,
            ),
            Route("GET", "/notifications", self.page, query=Page, answer=NotificationPage, who=MEMBERS, limit=READS),
        ]

    async def send(self, call: Call[SendNotification, None]) -> SentNotifications:
        """Send a text to some users."""
        return await self._notifications.send(call.body)

    async def page(self, call: Call[None, Page]) -> NotificationPage:
        """A page of one's own notifications, newest first."""
        return await self._notifications.page(call.principal, call.query)
