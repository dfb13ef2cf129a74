"""The events of the main database's outbox that have been counted. Written by the relay."""

from tortoise import fields
from tortoise.models import Model


class AppliedEvent(Model):
    """An event that was counted. It must not be counted again while its row may still be in the outbox."""

    event_id = fields.UUIDField(primary_key=True)
    applied_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        """Looked up by id; deleted when they are old."""

        table = "applied_events"
        indexes = (("applied_at",),)
