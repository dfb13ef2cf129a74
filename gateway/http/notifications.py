"""`/notifications`: sent by admins, read by whom they are for."""

from typing import Protocol

from gateway.http.routes import READS, WRITES, Call, Route
from gateway.protocol.notifications import NotificationPage, SendNotification, SentNotifications
from gateway.protocol.queries import Page
from gateway.security.principal import ADMINS, MEMBERS, Principal


class NotificationService(Protocol):
    """Stores and tells. Raises NotFound for a user who does not exist, Unavailable."""

    async def send(self, ask: SendNotification) -> SentNotifications: ...
    async def page(self, principal: Principal, ask: Page) -> NotificationPage: ...


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
