"""Long work that somebody waits for. Written by the jobs service and by its workers."""

from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from tortoise import fields
from tortoise.models import Model

from models.main.user import User


class JobStatus(StrEnum):
    """The life of a job: it waits, is worked on, and ends in one of the last three."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Job(Model):
    """One job: what was asked, how far it is, what came of it. The queue in Redis holds no more than its id."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    kind = fields.CharField(max_length=32)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", on_delete=fields.RESTRICT)
    user_id: UUID
    status = fields.CharField(max_length=16, default=JobStatus.QUEUED.value)
    progress = fields.SmallIntField(default=0)  # percent
    detail = fields.CharField(max_length=500, default="")  # for the one who waits
    request: fields.Field[dict[str, Any]] = fields.JSONField()
    result: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)
    run = fields.UUIDField(null=True)  # which run works on it, exactly while RUNNING; no other may write to it
    lost = fields.SmallIntField(default=0)  # runs that ended without a word: their worker died
    due_at = fields.DatetimeField()  # when it is given to somebody else, unless it was heard of again by then
    created_at = fields.DatetimeField(auto_now_add=True)
    started_at = fields.DatetimeField(null=True)
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        """Listed newest first; found by who waits, and those that are not ended by their status."""

        table = "jobs"
        indexes = (("user_id", "created_at"), ("status", "created_at"), ("created_at", "id"))
