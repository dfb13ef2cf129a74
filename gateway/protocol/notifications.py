"""Payloads of notifications: what an admin sends, and what the person they are for gets."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from gateway.protocol.wire import Payload, Request, Timestamp

MAX_PEOPLE = 1000  # in one request: one transaction, and one notice to the nodes
NotificationLevel = Literal["INFO", "SUCCESS", "WARNING", "ERROR"]
MAX_READ = 100  # ids in one request: a page
NotificationId = Annotated[UUID, Field(strict=False)]
UserId = Annotated[UUID, Field(strict=False)]  # JSON has no UUIDs


class SendNotification(Request):
    """`POST /notifications`: to `userId` or to all of `userIds`; exactly one of them."""

    user_id: UserId | None = None
    user_ids: Annotated[list[UserId], Field(min_length=1, max_length=MAX_PEOPLE)] | None = None
    title: Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
    message: Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
    level: NotificationLevel = "INFO"

    @model_validator(mode="after")
    def _either(self) -> "SendNotification":
        if (self.user_id is None) == (self.user_ids is None):
            raise ValueError("give either userId or userIds")
        return self

    @property
    def people(self) -> list[UUID]:
        """Whom it is for, each once."""
        return [self.user_id] if self.user_id is not None else list(dict.fromkeys(self.user_ids or ()))


class Notification(Payload):
    """`data` of `notification:new`. One that comes again has the same `id`."""

    id: str
    title: str
    message: str
    level: NotificationLevel
    timestamp: Timestamp


class SentNotification(Payload):
    """One person's copy of what was sent."""

    id: str
    user_id: str


class SentNotifications(Payload):
    """The answer of `POST /notifications`; `id` is that of all copies together."""

    id: str
    items: list[SentNotification]


class MarkRead(Request):
    """`POST /notifications/read`: the notifications of these ids, or all without `ids`."""

    ids: Annotated[list[NotificationId], Field(min_length=1, max_length=MAX_READ)] | None = None


class Unread(Payload):
    """How many notifications are unread, counted up to 1,000."""

    unread: int


class NotificationView(Notification):
    """A notification as it is listed; `read_at` is null while it is unread."""

    read_at: Timestamp | None


class NotificationPage(Unread):
    """A page of one's own notifications, newest first; `next_cursor` is null at the end."""

    items: list[NotificationView]
    next_cursor: str | None


class SentBatch(Payload):
    """What an administrator sent at once: to how many people, and how many copies were delivered and read."""

    id: str
    title: str
    message: str
    level: NotificationLevel
    sent_by: str | None
    sent_by_name: str | None
    recipients: int
    delivered: int
    read: int
    timestamp: Timestamp


class SentBatchPage(Payload):
    """A page of what was sent, newest first; `next_cursor` is null at the end."""

    items: list[SentBatch]
    next_cursor: str | None
