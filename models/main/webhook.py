"""Webhook messages that were answered. Written by the streams service, so that a repeated message has no effect."""

from tortoise import fields
from tortoise.models import Model


class WebhookMessage(Model):
    """One message of another server, with the refusal that it was answered with, if it was refused."""

    id = fields.CharField(max_length=64, primary_key=True)  # SHA-256 of the sender's id, which may have any length
    code = fields.CharField(max_length=32, null=True)
    message = fields.CharField(max_length=200, null=True)
    received_at = fields.DatetimeField()

    class Meta:
        """Deleted once a repetition would be too old to be accepted."""

        table = "webhook_messages"
        indexes = (("received_at",),)
