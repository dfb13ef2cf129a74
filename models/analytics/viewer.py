"""Viewer counts, every ten seconds. Written by the relay."""

from tortoise import fields
from tortoise.models import Model


class ViewerSample(Model):
    """The viewers of one stream at one time: the highest count of a node."""

    id = fields.BigIntField(primary_key=True)
    stream_key = fields.CharField(max_length=64)
    at = fields.DatetimeField()
    viewers = fields.IntField()

    class Meta:
        """Read by stream; deleted when they are old."""

        table = "viewer_samples"
        unique_together = (("stream_key", "at"),)
        indexes = (("at",),)
