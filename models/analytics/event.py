"""Which events of the main database's outbox are counted already. Written by the relay."""

from tortoise import fields
from tortoise.models import Model


class AppliedEvent(Model):
    """One event that was applied. While its row may still be in the outbox nothing may apply it again."""

    event_id = fields.UUIDField(primary_key=True)
    applied_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        """Looked up by id; deleted when they are old."""

        table = "applied_events"
        indexes = (("applied_at",),)
