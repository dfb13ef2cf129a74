"""Live streams. Written by the streams service; rooms, messages and products belong to one."""

from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from models.main.user import User

if TYPE_CHECKING:
    from models.main.product import Product


class StreamStatus(StrEnum):
    """SCHEDULED → LIVE → ENDED, and for a while back to LIVE; or SCHEDULED → CANCELLED."""

    SCHEDULED = "SCHEDULED"
    LIVE = "LIVE"
    ENDED = "ENDED"
    CANCELLED = "CANCELLED"


class Stream(Model):
    """One stream. Its key names its rooms and never changes, so it is the primary key.

    The database refuses timestamps that contradict the status: only a live stream has started and not ended.
    """

    key = fields.CharField(max_length=64, primary_key=True)  # letters, digits, _ and -
    title = fields.CharField(max_length=200)
    description = fields.TextField(default="")
    host: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", on_delete=fields.RESTRICT)
    host_id: UUID
    status = fields.CharField(max_length=16, default=StreamStatus.SCHEDULED.value)
    scheduled_at = fields.DatetimeField(null=True)
    started_at = fields.DatetimeField(null=True)
    lost_at = fields.DatetimeField(null=True)  # of a live stream: since when the media server receives nothing
    ended_at = fields.DatetimeField(null=True)
    closes_at = fields.DatetimeField(null=True)  # of an ended stream: until then it can be resumed, and people can chat
    ingest_key_hash = fields.CharField(max_length=64, null=True, unique=True)  # SHA-256 of the encoder's secret
    orders_when_not_live = fields.BooleanField(default=False)
    peak_viewers = fields.IntField(default=0)
    total_viewers = fields.IntField(default=0)  # distinct people who watched at any time
    featured_product: fields.ForeignKeyNullableRelation["Product"] = fields.ForeignKeyField(
        "models.Product", null=True, related_name="featured_in", on_delete=fields.SET_NULL
    )
    featured_product_id: int | None
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        """Lists are paged newest first, of all streams or one status; found by product when that is deleted."""

        table = "streams"
        indexes = (("created_at", "key"), ("status", "created_at", "key"), ("host_id",), ("featured_product_id",))
