"""Actions of moderators. Written by the relay."""

from tortoise import fields
from tortoise.models import Model


class ModerationFact(Model):
    """One entry of the audit log without its texts. Keys are hashes of the ids of people."""

    id = fields.BigIntField(primary_key=True, generated=False)  # that of the entry
    at = fields.DatetimeField()
    action = fields.CharField(max_length=32)
    stream_key = fields.CharField(max_length=64, null=True)
    actor_key = fields.CharField(max_length=32)
    subject_key = fields.CharField(max_length=32, null=True)

    class Meta:
        """Read by stream; deleted when they are old."""

        table = "moderation_facts"
        indexes = (("stream_key", "at"), ("at",))
