"""News to one person. Written by the notifications service."""

from enum import StrEnum
from uuid import UUID, uuid4

from tortoise import fields
from tortoise.models import Model

from models.main.user import User


class Level(StrEnum):
    """How much it matters."""

    INFO = "INFO"
    SUCCESS = "SUCCESS"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Notification(Model):
    """One notification. It waits here until one of the person's sockets was sent it."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", on_delete=fields.CASCADE)
    user_id: UUID
    title = fields.CharField(max_length=200)
    message = fields.CharField(max_length=2000)
    level = fields.CharField(max_length=16, default=Level.INFO.value)
    batch_id = fields.UUIDField(null=True)  # the same for all copies of what was sent at once
    sent_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, source_field="sent_by", related_name="sent_notifications", on_delete=fields.SET_NULL
    )
    created_at = fields.DatetimeField()
    delivered_at = fields.DatetimeField(null=True)
    read_at = fields.DatetimeField(null=True)

    class Meta:
        """Read by person, those that wait first; listed by what was sent at once; deleted when they are old."""

        table = "notifications"
        indexes = (("user_id", "created_at", "id"), ("created_at", "batch_id"))
