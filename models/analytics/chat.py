"""Chat messages per minute. Written by the chat counter."""

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


class ChatCursor(Model):
    """The last counted place of a stream's chat room."""

    stream_key = fields.CharField(max_length=64, primary_key=True)
    epoch = fields.UUIDField()  # of the room's log: another one is counted from its beginning
    seq = fields.BigIntField()

    class Meta:
        """Read as a whole; a row is deleted when the main database no longer has the room."""

        table = "chat_cursors"
