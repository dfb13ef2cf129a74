"""Products of streams. Written by the catalog service."""

from datetime import datetime
from decimal import Decimal

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.models import Model

from models.main.stream import Stream


class Product(Model):
    """One product. Every change raises `version`. A product with stock 0 is sold out; it has no status column."""

    id = fields.BigIntField(primary_key=True)
    stream: fields.ForeignKeyRelation[Stream] = fields.ForeignKeyField(
        "models.Stream", source_field="stream_key", on_delete=fields.RESTRICT
    )
    stream_id: str
    name = fields.CharField(max_length=200)
    description = fields.TextField(default="")
    price: Decimal = fields.DecimalField(max_digits=10, decimal_places=2)
    original_price: Decimal | None = fields.DecimalField(max_digits=10, decimal_places=2, null=True)
    regular_price: Decimal | None = fields.DecimalField(
        max_digits=10, decimal_places=2, null=True
    )  # during a deal: the price after it
    deal_ends_at: datetime | None = fields.DatetimeField(null=True)
    discount_rate = fields.SmallIntField(default=0)  # percent
    stock = fields.IntField()
    image_url = fields.CharField(max_length=2048, null=True)
    images: fields.Field[list[str]] = ArrayField(element_type="text", default=list)
    sort_order = fields.IntField(default=0)
    is_new = fields.BooleanField(default=False)
    version = fields.IntField(default=1)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        """A stream shows its products in their order; deals end by themselves."""

        table = "products"
        indexes = (("stream_id", "sort_order", "id"), ("deal_ends_at",))
