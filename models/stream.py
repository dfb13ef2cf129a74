"""Live streams. Written by the streams service; rooms, messages and products belong to one."""

from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from models.user import User

if TYPE_CHECKING:
    from models.product import Product


class StreamStatus(StrEnum):
    """The life of a stream; it goes one way."""

    SCHEDULED = "SCHEDULED"
    LIVE = "LIVE"
    ENDED = "ENDED"


class Stream(Model):
    """One stream. The key that people and rooms know it by never changes, so it is the primary key.

    The database refuses moments that contradict the status: only a live one has started and not ended.
    """

    key = fields.CharField(max_length=64, primary_key=True)  # letters, digits, _ and -
    title = fields.CharField(max_length=200)
    description = fields.TextField(default="")
    host: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", on_delete=fields.RESTRICT)
    host_id: UUID
    status = fields.CharField(max_length=16, default=StreamStatus.SCHEDULED.value)
    scheduled_at = fields.DatetimeField(null=True)
    started_at = fields.DatetimeField(null=True)
    ended_at = fields.DatetimeField(null=True)
    peak_viewers = fields.IntField(default=0)
    total_viewers = fields.IntField(default=0)  # distinct people that watched at any time
    featured_product: fields.ForeignKeyNullableRelation["Product"] = fields.ForeignKeyField(
        "models.Product", null=True, related_name="featured_in", on_delete=fields.SET_NULL
    )
    featured_product_id: int | None
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        """Pages go from the newest back, of all or of one status."""

        table = "streams"
        indexes = (("created_at", "key"), ("status", "created_at", "key"), ("host_id",))
