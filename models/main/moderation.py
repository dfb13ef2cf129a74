"""Moderation of chat rooms, and the audit log. Written by the moderation services."""

from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from tortoise import fields
from tortoise.models import Model

from models.main.message import Message
from models.main.stream import Stream
from models.main.user import User


class ChatSettings(Model):
    """The settings of one chat room; a room without a row has the defaults."""

    stream: fields.OneToOneRelation[Stream] = fields.OneToOneField(
        "models.Stream", source_field="stream_key", primary_key=True, on_delete=fields.RESTRICT
    )
    slow_mode_seconds = fields.SmallIntField(default=0)
    frozen = fields.BooleanField(default=False)
    guests_allowed = fields.BooleanField(default=False)

    class Meta:
        """Read with every message."""

        table = "chat_settings"


class SanctionKind(StrEnum):
    """A mute forbids to write, a ban to enter."""

    MUTE = "MUTE"
    BAN = "BAN"


class Sanction(Model):
    """A mute or a ban of a user or a guest: in one room, or for bans without a stream everywhere.

    It is in force until `ends_at`, or without it for good, unless it was lifted. No timer ends it: readers compare.
    """

    id = fields.UUIDField(primary_key=True, default=uuid4)
    kind = fields.CharField(max_length=8)
    stream: fields.ForeignKeyNullableRelation[Stream] = fields.ForeignKeyField(
        "models.Stream", null=True, source_field="stream_key", on_delete=fields.RESTRICT
    )
    stream_id: str | None
    subject_id = fields.CharField(max_length=64)  # the id of a user or a guest
    reason = fields.CharField(max_length=500, null=True)
    created_by: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", source_field="created_by", on_delete=fields.RESTRICT
    )
    created_at = fields.DatetimeField(auto_now_add=True)
    ends_at = fields.DatetimeField(null=True)
    lifted_at = fields.DatetimeField(null=True)
    lifted_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, source_field="lifted_by", related_name="lifted_sanctions", on_delete=fields.RESTRICT
    )

    class Meta:
        """Indexes for look-ups by subject, and for lists with the newest first."""

        table = "sanctions"
        indexes = (("subject_id", "kind"), ("stream_id",), ("created_at", "id"))


class BannedDevice(Model):
    """A device of a sanctioned guest; sanctions apply to other guests of the device, too."""

    id = fields.BigIntField(primary_key=True)
    sanction: fields.ForeignKeyRelation[Sanction] = fields.ForeignKeyField("models.Sanction", on_delete=fields.CASCADE)
    sanction_id: UUID
    device = fields.CharField(max_length=64)  # a keyed hash: neither an address nor a cookie can be read from it
    ends_at = fields.DatetimeField(null=True)

    class Meta:
        """Looked up by device for each new guest."""

        table = "banned_devices"
        unique_together = (("sanction_id", "device"),)
        indexes = (("device",),)


class Pin(Model):
    """A pinned message of a room, until `ends_at` if that is set."""

    message: fields.OneToOneRelation[Message] = fields.OneToOneField(
        "models.Message", primary_key=True, on_delete=fields.CASCADE
    )
    stream: fields.ForeignKeyRelation[Stream] = fields.ForeignKeyField(
        "models.Stream", source_field="stream_key", on_delete=fields.RESTRICT
    )
    stream_id: str
    pinned_by: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", source_field="pinned_by", on_delete=fields.RESTRICT
    )
    created_at = fields.DatetimeField(auto_now_add=True)
    ends_at = fields.DatetimeField(null=True)

    class Meta:
        """A room has a few."""

        table = "pins"
        indexes = (("stream_id", "created_at"),)


class WordAction(StrEnum):
    """What happens to a message with a listed word. The longest match decides."""

    ALLOW = "ALLOW"
    MASK = "MASK"
    BLOCK = "BLOCK"


class ListedWord(Model):
    """A word that is masked, blocked or allowed in messages: in one room, or without a stream in all rooms."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    stream: fields.ForeignKeyNullableRelation[Stream] = fields.ForeignKeyField(
        "models.Stream", null=True, source_field="stream_key", on_delete=fields.RESTRICT
    )
    stream_id: str | None
    word = fields.CharField(max_length=100)  # in the form in which texts are compared
    action = fields.CharField(max_length=8)
    created_by: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", source_field="created_by", on_delete=fields.RESTRICT
    )
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        """Read as a whole, by room."""

        table = "listed_words"
        indexes = (("stream_id",),)


class ReportedMessage(Model):
    """A message that viewers have reported: it waits for a review, or was reviewed. Deleted with its message."""

    message: fields.OneToOneRelation[Message] = fields.OneToOneField(
        "models.Message", primary_key=True, on_delete=fields.CASCADE
    )
    stream: fields.ForeignKeyRelation[Stream] = fields.ForeignKeyField(
        "models.Stream", source_field="stream_key", on_delete=fields.RESTRICT
    )
    stream_id: str
    created_at = fields.DatetimeField()  # of the first report
    decision = fields.CharField(max_length=8, null=True)  # KEPT or DELETED; none until the review
    reviewed_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, source_field="reviewed_by", on_delete=fields.RESTRICT
    )
    reviewed_at = fields.DatetimeField(null=True)

    class Meta:
        """Pages go from the newest back, of all rooms or of one. Those without a review have an index of their own."""

        table = "reported_messages"
        indexes = (("created_at", "message_id"), ("stream_id", "created_at"))


class MessageReport(Model):
    """The report of one person about a message. The sum of the weights, each from 0 to 1, hides the message."""

    id = fields.BigIntField(primary_key=True)
    message: fields.ForeignKeyRelation[Message] = fields.ForeignKeyField("models.Message", on_delete=fields.CASCADE)
    reporter_id = fields.CharField(max_length=64)  # the id of a user or a guest
    reason = fields.CharField(max_length=16)
    note = fields.CharField(max_length=200, null=True)
    weight = fields.FloatField()
    created_at = fields.DatetimeField()

    class Meta:
        """One per person and message; those of a person are read for the weight of the next one."""

        table = "message_reports"
        unique_together = (("message_id", "reporter_id"),)
        indexes = (("reporter_id", "created_at"),)


class ModerationAction(StrEnum):
    """The actions in the audit log."""

    MUTE = "MUTE"
    UNMUTE = "UNMUTE"
    BAN = "BAN"
    UNBAN = "UNBAN"
    SLOW_MODE = "SLOW_MODE"
    FREEZE = "FREEZE"
    UNFREEZE = "UNFREEZE"
    ALLOW_GUESTS = "ALLOW_GUESTS"
    REFUSE_GUESTS = "REFUSE_GUESTS"
    ANNOUNCE = "ANNOUNCE"
    DELETE_MESSAGE = "DELETE_MESSAGE"
    KEEP_MESSAGE = "KEEP_MESSAGE"  # although it was reported
    CLEAR = "CLEAR"
    UNDO_CLEAR = "UNDO_CLEAR"
    PIN = "PIN"
    UNPIN = "UNPIN"
    ADD_WORD = "ADD_WORD"
    CHANGE_WORD = "CHANGE_WORD"
    REMOVE_WORD = "REMOVE_WORD"
    CHANGE_SANCTION = "CHANGE_SANCTION"
    # Changes of streams, products, orders, accounts and nodes.
    CREATE_STREAM = "CREATE_STREAM"
    CHANGE_STREAM = "CHANGE_STREAM"
    START_STREAM = "START_STREAM"
    STOP_STREAM = "STOP_STREAM"
    CANCEL_STREAM = "CANCEL_STREAM"
    ROTATE_INGEST_KEY = "ROTATE_INGEST_KEY"
    CREATE_PRODUCT = "CREATE_PRODUCT"
    CHANGE_PRODUCT = "CHANGE_PRODUCT"
    DELETE_PRODUCT = "DELETE_PRODUCT"
    PAY_ORDER = "PAY_ORDER"
    CANCEL_ORDER = "CANCEL_ORDER"
    CREATE_USER = "CREATE_USER"
    CHANGE_ROLE = "CHANGE_ROLE"
    SUSPEND = "SUSPEND"
    UNSUSPEND = "UNSUSPEND"
    RESET_PASSWORD = "RESET_PASSWORD"  # noqa: S105  the name of an action
    LOGOUT_USER = "LOGOUT_USER"
    DISCONNECT = "DISCONNECT"
    DRAIN_NODE = "DRAIN_NODE"
    RESUME_NODE = "RESUME_NODE"


class ModerationEntry(Model):
    """The audit log: moderation, and changes by staff. Entries are added and never changed."""

    id = fields.BigIntField(primary_key=True)
    action = fields.CharField(max_length=32)
    stream: fields.ForeignKeyNullableRelation[Stream] = fields.ForeignKeyField(
        "models.Stream", null=True, source_field="stream_key", on_delete=fields.RESTRICT
    )
    stream_id: str | None
    actor: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", on_delete=fields.RESTRICT)
    actor_id: UUID
    subject_id = fields.CharField(max_length=64, null=True)  # the user or guest that it concerns
    message_id = fields.UUIDField(null=True)
    reason = fields.CharField(max_length=500, null=True)
    details: fields.Field[dict[str, Any]] = fields.JSONField(default=dict)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        """Pages go from the newest back, of all, of a room, of an actor or of a subject; old ones are deleted."""

        table = "moderation_log"
        indexes = (("stream_id", "id"), ("actor_id", "id"), ("subject_id", "id"), ("created_at",))
