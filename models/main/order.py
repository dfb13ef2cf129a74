"""Orders and their items. Written by the orders service."""

from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid4

from tortoise import fields
from tortoise.models import Model

from models.main.product import Product
from models.main.stream import Stream
from models.main.user import User


class OrderStatus(StrEnum):
    """An order leaves PENDING once, for one of the others."""

    PENDING = "PENDING"
    PAID = "PAID"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"  # not paid in time


class Order(Model):
    """One order of one user. The same idempotency key of a user is the same order."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", on_delete=fields.RESTRICT)
    user_id: UUID
    status = fields.CharField(max_length=16, default=OrderStatus.PENDING.value)
    total: Decimal = fields.DecimalField(max_digits=14, decimal_places=2)
    idempotency_key = fields.CharField(max_length=128, null=True)
    fingerprint = fields.CharField(max_length=64, null=True)  # SHA-256 of the request with that key
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)  # when it expires unless it is paid; NULL for orders of old versions
    paid_at = fields.DatetimeField(null=True)
    cancelled_at = fields.DatetimeField(null=True)
    items: fields.ReverseRelation["OrderItem"]

    class Meta:
        """Lists are paged newest first, of one user or of all; unpaid orders expire."""

        table = "orders"
        unique_together = (("user_id", "idempotency_key"),)
        indexes = (("user_id", "created_at", "id"), ("created_at", "id"), ("status", "expires_at"))


class OrderItem(Model):
    """One product of an order, with its name and price then: the product may change or be deleted."""

    id = fields.BigIntField(primary_key=True)
    order: fields.ForeignKeyRelation[Order] = fields.ForeignKeyField(
        "models.Order", related_name="items", on_delete=fields.CASCADE
    )
    order_id: UUID
    product: fields.ForeignKeyNullableRelation[Product] = fields.ForeignKeyField(
        "models.Product", null=True, on_delete=fields.SET_NULL
    )
    product_id: int | None
    stream: fields.ForeignKeyRelation[Stream] = fields.ForeignKeyField(
        "models.Stream", source_field="stream_key", on_delete=fields.RESTRICT
    )
    stream_id: str
    name = fields.CharField(max_length=200)
    price: Decimal = fields.DecimalField(max_digits=10, decimal_places=2)
    quantity = fields.IntField()

    class Meta:
        """Read with their order, and by stream, newest first; found by product when that is deleted."""

        table = "order_items"
        indexes = (("order_id",), ("product_id",), ("stream_id", "id"))
