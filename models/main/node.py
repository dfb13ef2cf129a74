"""The running nodes, and when each last reached Redis. Written by their heartbeats."""

from typing import Any

from tortoise import fields
from tortoise.models import Model


class Node(Model):
    """One gateway process. Another node deletes a row that was not renewed for a minute."""

    id = fields.CharField(max_length=80, primary_key=True)  # of the process
    name = fields.CharField(max_length=64)  # NODE_ID
    version = fields.CharField(max_length=32)
    started_at = fields.DatetimeField()
    seen_at = fields.DatetimeField()
    heard_at = fields.DatetimeField(null=True)  # when it asked Redis the last question that was answered
    status = fields.CharField(max_length=16)  # as `/health/ready` answers it
    connections = fields.IntField()
    drained = fields.BooleanField(default=False)  # taken out of service by an administrator
    details: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)  # memory, rates, state of its servers

    class Meta:
        """A row for each process."""

        table = "nodes"
