"""Chat messages, and records of their deletion. Written by the chat and the moderation services."""

from typing import TYPE_CHECKING
from uuid import uuid4

from tortoise import fields
from tortoise.models import Model

from models.main.stream import Stream
from models.main.user import User

if TYPE_CHECKING:
    from models.main.moderation import ModerationEntry


class Message(Model):
    """One message, with the name and the role that its sender had then.

    `sender_id` is the id of a user or a guest; `user` is set for users, and a check makes it equal to `sender_id`. With
    one column for both, one unique constraint covers repeated client ids of a sender. A deleted message has no text,
    which a check enforces.
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
        """Read by place; found by the client id of its sender. Users are never deleted: `user` needs no index.

        Its indexes are on functions or some rows, which models cannot express: see the migrations from 23 on. A place
        is unique among the shown messages of a stream, and a client id among the messages of a sender there.
        """

        table = "messages"


class MessageDeletion(Model):
    """The record of a deletion: by which user, why, and the text. Only auditors read it.

    Without `deleted_by` the message is hidden: reports have removed it until staff reviews them.
    """

    message: fields.OneToOneRelation[Message] = fields.OneToOneField(
        "models.Message", primary_key=True, on_delete=fields.RESTRICT
    )
    text = fields.CharField(max_length=500, null=True)  # none after DELETION_RETENTION
    entry: fields.ForeignKeyNullableRelation["ModerationEntry"] = fields.ForeignKeyField(
        "models.ModerationEntry", null=True, on_delete=fields.RESTRICT
    )  # the entry of the deletion or the clear
    entry_id: int | None
    deleted_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, source_field="deleted_by", on_delete=fields.RESTRICT
    )
    reason = fields.CharField(max_length=500, null=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        """Found by the user who deleted, by entry, and by time."""

        table = "message_deletions"
        indexes = (("deleted_by_id", "created_at"), ("entry_id",), ("created_at",))
