"""Chat messages and what was deleted of them. Written by the chat service."""

from typing import TYPE_CHECKING
from uuid import uuid4

from tortoise import fields
from tortoise.models import Model

from models.main.stream import Stream
from models.main.user import User

if TYPE_CHECKING:
    from models.main.moderation import ModerationEntry


class Message(Model):
    """One message, with its author as they were when it was sent.

    `sender_id` is the id of a user or a guest; `user` is set for users. One column for both keeps "the same id from the
    same sender" one unique constraint, and the check that `user` repeats it keeps the two from disagreeing.
    A deleted message has no text here, which the database enforces too.
    """

    id = fields.UUIDField(primary_key=True, default=uuid4)
    stream: fields.ForeignKeyRelation[Stream] = fields.ForeignKeyField(
        "models.Stream", source_field="stream_key", on_delete=fields.RESTRICT
    )
    seq = fields.BigIntField()  # the place in the log of the stream's chat
    sender_id = fields.CharField(max_length=64)
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, on_delete=fields.RESTRICT
    )
    username = fields.CharField(max_length=64)
    role = fields.CharField(max_length=16)
    text = fields.CharField(max_length=500, null=True)
    client_message_id = fields.CharField(max_length=64, null=True)
    created_at = fields.DatetimeField()
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        """Read by place; found again by what its sender called it. Users are never deleted: `user` needs no index.

        Its indexes are of functions or of some rows, which models cannot say: see the migrations from 23 on. A place
        is unique among the shown messages of a stream, and a client id among the messages of a sender there.
        """

        table = "messages"


class MessageDeletion(Model):
    """Who deleted a message, why, and what it said: for the record, read by nobody but auditors.

    Without `deleted_by` the message is hidden: reports have removed it until staff reviews them.
    """

    message: fields.OneToOneRelation[Message] = fields.OneToOneField(
        "models.Message", primary_key=True, on_delete=fields.RESTRICT
    )
    text = fields.CharField(max_length=500, null=True)  # none: the record has outlived what it may keep
    entry: fields.ForeignKeyNullableRelation["ModerationEntry"] = fields.ForeignKeyField(
        "models.ModerationEntry", null=True, on_delete=fields.RESTRICT
    )  # what was done that deleted it: one deletion, or the clearing of many
    entry_id: int | None
    deleted_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, source_field="deleted_by", on_delete=fields.RESTRICT
    )
    reason = fields.CharField(max_length=500, null=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        """Who deleted what, newest first."""

        table = "message_deletions"
        indexes = (("deleted_by_id", "created_at"), ("entry_id",), ("created_at",))
