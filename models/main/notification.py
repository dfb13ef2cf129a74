"""Notifications of users. Written by the notifications service."""

from enum import StrEnum
from uuid import UUID, uuid4

from tortoise import fields
from tortoise.models import Model

from models.main.user import User


class Level(StrEnum):
    """The importance of a notification."""

    INFO = "INFO"
    SUCCESS = "SUCCESS"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Notification(Model):
    """The copy of a notification for one user. It is delivered when a node has sent it to a socket of the user."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", on_delete=fields.CASCADE)
    user_id: UUID
    title = fields.CharField(max_length=200)
    message = fields.CharField(max_length=2000)
    level = fields.CharField(max_length=16, default=Level.INFO.value)
    batch_id = fields.UUIDField(null=True)  # the same for all copies of a notification
    sent_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, source_field="sent_by", related_name="sent_notifications", on_delete=fields.SET_NULL
    )
    created_at = fields.DatetimeField()
    delivered_at = fields.DatetimeField(null=True)
    read_at = fields.DatetimeField(null=True)

    class Meta:
        """Read by user, undelivered ones first; listed by batch; deleted when they are old."""

        table = "notifications"
        indexes = (("user_id", "created_at", "id"), ("created_at", "batch_id"))
