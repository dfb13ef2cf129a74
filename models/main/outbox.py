"""Facts on their way to the analytics database. Written by the services, in the transactions of the changes."""

from typing import Any
from uuid import uuid4

from tortoise import fields
from tortoise.models import Model


class OutboxEvent(Model):
    """The facts of one batch. The relay deletes it once the analytics database has it."""

    id = fields.BigIntField(primary_key=True)
    event_id = fields.UUIDField(default=uuid4)  # unique, even after a backup was restored
    kind = fields.CharField(max_length=16)
    payload: fields.Field[list[Any]] = fields.JSONField()
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        """Read from the oldest on."""

        table = "outbox"
