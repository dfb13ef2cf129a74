"""The logs of rooms: the last place of each, and its newest events. Written by the room log."""

from typing import Any
from uuid import uuid4

from tortoise import fields
from tortoise.models import Model

from models.main.stream import Stream


class Room(Model):
    """The counter of one room. A writer of the log locks the row, so `seq` has no gaps and follows the commits."""

    name = fields.CharField(max_length=128, primary_key=True)  # namespace and name, as keys.room_log_name returns it
    stream: fields.ForeignKeyNullableRelation[Stream] = fields.ForeignKeyField(
        "models.Stream", null=True, source_field="stream_key", on_delete=fields.RESTRICT
    )  # none: a room of the whole shop
    epoch = fields.UUIDField(default=uuid4)  # changes when the log was lost and restarted
    seq = fields.BigIntField(default=0)  # of the newest event

    class Meta:
        """A stream has a few rooms."""

        table = "rooms"
        indexes = (("stream_id",),)


class RoomEvent(Model):
    """One logged event of a room, stored for catch-up and recovery. Old ones are deleted.

    `room` is no foreign key of the database, which would look for the room again: each writer of events has locked
    the room's row. A trigger of `rooms` deletes the events of deleted rooms.
    """

    id = fields.BigIntField(primary_key=True)
    room: fields.ForeignKeyRelation[Room] = fields.ForeignKeyField(
        "models.Room", source_field="room", on_delete=fields.CASCADE, db_constraint=False
    )
    seq = fields.BigIntField()
    event = fields.CharField(max_length=64)
    payload: fields.Field[Any] = fields.JSONField()
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        """Read by place."""

        table = "room_events"
        unique_together = (("room_id", "seq"),)
