"""Background jobs. Written by the jobs service and by job workers."""

from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from tortoise import fields
from tortoise.models import Model

from models.main.user import User


class JobStatus(StrEnum):
    """A job is QUEUED, then RUNNING, and ends in one of the other states."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Job(Model):
    """One job: its request, progress and result. The queue in Redis only has its id."""

    id = fields.UUIDField(primary_key=True, default=uuid4)
    kind = fields.CharField(max_length=32)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", on_delete=fields.RESTRICT)
    user_id: UUID
    status = fields.CharField(max_length=16, default=JobStatus.QUEUED.value)
    progress = fields.SmallIntField(default=0)  # percent
    detail = fields.CharField(max_length=500, default="")  # a text for the user
    request: fields.Field[dict[str, Any]] = fields.JSONField()
    result: fields.Field[dict[str, Any] | None] = fields.JSONField(null=True)
    run = fields.UUIDField(null=True)  # that has the lease, only while RUNNING; no other run may change the job
    lost = fields.SmallIntField(default=0)  # runs whose worker died
    due_at = fields.DatetimeField()  # when it is queued again, unless its lease is renewed before
    created_at = fields.DatetimeField(auto_now_add=True)
    started_at = fields.DatetimeField(null=True)
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        """Listed newest first; found by user, and unfinished ones by status."""

        table = "jobs"
        indexes = (("user_id", "created_at"), ("status", "created_at"), ("created_at", "id"))
