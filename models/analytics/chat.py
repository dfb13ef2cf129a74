"""How much was written, per minute. Written by the relay."""

from tortoise import fields
from tortoise.models import Model


class ChatMinute(Model):
    """The messages of one stream within one minute."""

    id = fields.BigIntField(primary_key=True)
    stream_key = fields.CharField(max_length=64)
    minute = fields.DatetimeField()
    messages = fields.IntField()
    guest_messages = fields.IntField()  # among them

    class Meta:
        """Read by stream; deleted when they are old."""

        table = "chat_minutes"
        unique_together = (("stream_key", "minute"),)
        indexes = (("minute",),)
