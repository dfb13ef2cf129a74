"""News to one person. Written by the notifications service."""

from enum import StrEnum
from uuid import UUID, uuid4

from tortoise import fields
from tortoise.models import Model

from models.user import User


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
    created_at = fields.DatetimeField()
    delivered_at = fields.DatetimeField(null=True)

    class Meta:
        """Read by person, those that wait first."""

        table = "notifications"
        indexes = (("user_id", "created_at", "id"),)
