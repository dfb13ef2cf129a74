"""Payloads of notifications: requests of administrators and views of recipients."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from gateway.protocol.wire import Payload, Request, Timestamp

MAX_RECIPIENTS = 1000  # of one request, which is one transaction and one notice to the nodes
NotificationLevel = Literal["INFO", "SUCCESS", "WARNING", "ERROR"]
MAX_READ = 100  # ids in one request, as many as in a page
NotificationId = Annotated[UUID, Field(strict=False)]
UserId = Annotated[UUID, Field(strict=False)]  # a string in JSON


class SendNotification(Request):
    """`POST /notifications`: to `userId` or to `userIds`; exactly one of the two."""

    user_id: UserId | None = None
    user_ids: Annotated[list[UserId], Field(min_length=1, max_length=MAX_RECIPIENTS)] | None = None
    title: Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
    message: Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
    level: NotificationLevel = "INFO"

    @model_validator(mode="after")
    def _either(self) -> "SendNotification":
        if (self.user_id is None) == (self.user_ids is None):
            raise ValueError("give either userId or userIds")
        return self

    @property
    def recipients(self) -> list[UUID]:
        """The ids of the recipients, without duplicates."""
        return [self.user_id] if self.user_id is not None else list(dict.fromkeys(self.user_ids or ()))


class Notification(Payload):
    """`data` of `notification:new`. A repetition has the same `id`."""

    id: str
    title: str
    message: str
    level: NotificationLevel
    timestamp: Timestamp


class SentNotification(Payload):
    """The copy of one recipient."""

    id: str
    user_id: str


class SentNotifications(Payload):
    """The answer to `POST /notifications`; `id` identifies the whole batch."""

    id: str
    items: list[SentNotification]


class MarkRead(Request):
    """`POST /notifications/read`: the notifications of these ids, or all without `ids`."""

    ids: Annotated[list[NotificationId], Field(min_length=1, max_length=MAX_READ)] | None = None


class Unread(Payload):
    """The number of unread notifications, at most 1,000."""

    unread: int


class NotificationView(Notification):
    """A notification in a list; `read_at` is null while it is unread."""

    read_at: Timestamp | None


class NotificationPage(Unread):
    """A page of the caller's notifications, newest first; `next_cursor` is null at the end."""

    items: list[NotificationView]
    next_cursor: str | None


class SentBatch(Payload):
    """A notification that an administrator sent, with the numbers of recipients and of copies delivered and read."""

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
    """A page of sent notifications, newest first; `next_cursor` is null at the end."""

    items: list[SentBatch]
    next_cursor: str | None
