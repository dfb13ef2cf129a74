"""Sales per minute. Written by the relay."""

from decimal import Decimal

from tortoise import fields
from tortoise.models import Model

WHOLE_STREAM = 0  # stands for all products of a stream: an order counts once there, even with several products


class SalesMinute(Model):
    """The orders of one product, or of a whole stream, that changed to one status within one minute."""

    id = fields.BigIntField(primary_key=True)
    stream_key = fields.CharField(max_length=64)
    product_id = fields.BigIntField()
    minute = fields.DatetimeField()
    status = fields.CharField(max_length=16)  # PLACED, PAID, CANCELLED or EXPIRED
    orders = fields.IntField()
    units = fields.IntField()
    amount: Decimal = fields.DecimalField(max_digits=16, decimal_places=2)

    class Meta:
        """Read by stream, or by time over all of them."""

        table = "sales_minutes"
        unique_together = (("stream_key", "product_id", "minute", "status"),)
        indexes = (("product_id", "minute"), ("minute",))
