"""The states of jobs in the database, one statement for each step. Called by the jobs service and by job workers.

A job is leased to one run at a time, which renews the lease every second. If the lease expires, the job is due, and
another worker runs it. Every step of a run checks that it still has the lease, so the end of a job is stored once, even
if the run was only slow or the job was cancelled.
"""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from gateway.postgres.database import Database
from gateway.protocol.payloads.jobs import CreateJob, Job, JobKind, JobState, JobUpdate
from gateway.protocol.queries import JobQuery
from models.main.job import JobStatus

LEASE = 10.0  # s without a heartbeat after which a run is silent
REQUEUE = 30.0  # s after which a queued job is queued again: Redis or a worker may have lost it
LOSSES = 3  # dead runs after which a job fails, because it probably kills its workers
STEP = 100  # jobs in one statement

QUEUED = "Waiting for a worker"
RUNNING = "At work"
LOST = "The worker was lost, waiting for another one"
HOPELESS = "Given up: every worker that tried it was lost"
CANCELLED = "Cancelled"

COUNT = "SELECT count(*) AS unfinished FROM jobs WHERE user_id = $1 AND ended_at IS NULL"
ADD = """
INSERT INTO jobs (id, kind, user_id, status, progress, detail, request, lost, created_at, due_at)
VALUES ($1, $2, $3, 'QUEUED', 0, $4, $5::text::jsonb, 0, now(), now() + make_interval(secs => $6))
RETURNING *
"""
GET = "SELECT * FROM jobs WHERE id = $1"
BEGIN = """
UPDATE jobs SET status = 'RUNNING', run = $2, progress = 0, detail = $3, started_at = now(),
    due_at = now() + make_interval(secs => $4)
WHERE id = $1 AND status = 'QUEUED' RETURNING *
"""
RENEW = """
UPDATE jobs SET progress = $3, due_at = now() + make_interval(secs => $4) WHERE id = $1 AND run = $2 RETURNING id
"""
END = """
UPDATE jobs SET status = $3::text, detail = $4, result = $5::text::jsonb, ended_at = now(), run = NULL,
    progress = CASE WHEN $3::text = 'DONE' THEN 100 ELSE progress END
WHERE id = $1 AND run = $2 RETURNING *
"""
RETURN = """
UPDATE jobs SET status = 'QUEUED', run = NULL, progress = 0, detail = $3,
    due_at = now() + make_interval(secs => $4)
WHERE id = $1 AND run = $2 RETURNING *
"""
CANCEL = """
UPDATE jobs SET status = 'CANCELLED', detail = $2, ended_at = now(), run = NULL
WHERE id = $1 AND ended_at IS NULL RETURNING *
"""
SILENT = "SELECT run FROM jobs WHERE status = 'RUNNING' AND due_at < now()"
DUE = """
WITH due AS (
    SELECT id AS job, status = 'RUNNING' AS died, lost + (status = 'RUNNING')::int AS losses FROM jobs
    WHERE ended_at IS NULL AND due_at < now() AND (status = 'QUEUED' OR run = ANY ($6::uuid[]))
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET run = NULL, lost = losses, due_at = now() + make_interval(secs => $2),
    progress = CASE WHEN died THEN 0 ELSE progress END,
    status = CASE WHEN losses >= $3 THEN 'FAILED' ELSE 'QUEUED' END,
    ended_at = CASE WHEN losses >= $3 THEN now() END,
    detail = CASE WHEN losses >= $3 THEN $4 WHEN died THEN $5 ELSE detail END
FROM due WHERE id = job RETURNING jobs.*, died
"""


PAGE = """
SELECT * FROM jobs
WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR request ->> 'streamKey' = $2)
    AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
ORDER BY created_at DESC, id DESC LIMIT $5
"""
RETRY = """
UPDATE jobs SET status = 'QUEUED', progress = 0, detail = $2, result = NULL, lost = 0, started_at = NULL,
    ended_at = NULL, due_at = now() + make_interval(secs => $3)
WHERE id = $1 AND status = 'FAILED' RETURNING *
"""
FRUITLESS = "SELECT id FROM jobs WHERE id = ANY ($1::uuid[]) AND status IN ('FAILED', 'CANCELLED')"
OLD = "SELECT id FROM jobs WHERE ended_at < now() - make_interval(secs => $1) ORDER BY ended_at LIMIT $2"
DELETE = "DELETE FROM jobs WHERE id = $1"


class Row(NamedTuple):
    """A job as it is stored."""

    id: UUID
    kind: JobKind
    user_id: UUID
    status: JobState
    progress: int
    detail: str
    request: dict[str, Any]
    result: dict[str, Any] | None
    run: UUID | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    died: bool = False  # its run has just been declared dead

    @property
    def parsed_request(self) -> CreateJob:
        """The request that created the job."""
        return CreateJob.model_validate(self.request)

    def update(self) -> JobUpdate:
        """Return the event for the user who created the job."""
        return JobUpdate(
            id=str(self.id), kind=self.kind, progress=self.progress, status=self.status, detail=self.detail
        )

    def view(self) -> Job:
        """Return the job as payload."""
        return Job(
            id=str(self.id),
            kind=self.kind,
            stream_key=self.parsed_request.stream_key,
            status=self.status,
            progress=self.progress,
            detail=self.detail,
            result=self.result,
            created_at=self.created_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
        )


class JobTable:
    """Stores jobs. Raises Unavailable. A method that returns None has changed nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unfinished(self, user_id: UUID) -> int:
        """Return the number of unfinished jobs of a user."""
        async with self._database.guard("jobs.count"):
            return int((await self._database.query(COUNT, user_id))[0]["unfinished"])

    async def add(self, user_id: UUID, request: CreateJob) -> Row:
        """Store a job."""
        row = await self._one(
            "jobs.add", ADD, uuid4(), request.kind, user_id, QUEUED, request.model_dump_json(by_alias=True), REQUEUE
        )
        assert row is not None  # noqa: S101  an INSERT answers its row or raises
        return row

    async def get(self, job_id: UUID) -> Row | None:
        """Return a job."""
        return await self._one("jobs.get", GET, job_id)

    async def begin(self, job_id: UUID) -> Row | None:
        """Lease a queued job to a new run; None if it is not queued."""
        return await self._one("jobs.begin", BEGIN, job_id, uuid4(), RUNNING, LEASE)

    async def renew(self, job: Row, progress: int) -> bool:
        """Renew the lease of a run and store its progress; False if the run has lost the job."""
        async with self._database.guard("jobs.renew"):
            return bool(await self._database.query(RENEW, job.id, job.run, progress, LEASE))

    async def end(self, job: Row, status: JobStatus, detail: str, result: str | None = None) -> Row | None:
        """End a run's job; `result` is JSON. None if the run has lost it."""
        return await self._one("jobs.end", END, job.id, job.run, status.value, detail, result)

    async def give_back(self, job: Row) -> Row | None:
        """Queue a run's job again. None if the run has lost it."""
        return await self._one("jobs.return", RETURN, job.id, job.run, QUEUED, REQUEUE)

    async def cancel(self, job_id: UUID) -> Row | None:
        """Cancel a job that has not ended; its run notices at its next heartbeat."""
        return await self._one("jobs.cancel", CANCEL, job_id, CANCELLED)

    async def retry(self, job_id: UUID) -> Row | None:
        """Queue a failed job again. None if it has not failed."""
        return await self._one("jobs.retry", RETRY, job_id, QUEUED, REQUEUE)

    async def page(self, request: JobQuery, after: tuple[datetime, UUID] | None, limit: int) -> list[Row]:
        """Return the newest jobs before `after`."""
        moment, last = after or (None, None)
        async with self._database.guard("jobs.page"):
            rows = await self._database.query(PAGE, request.status, request.stream_key, moment, last, limit)
        return [_row(row) for row in rows]

    async def silent(self) -> set[UUID]:
        """Return the runs without a recent heartbeat. After an outage of the database these may be alive."""
        async with self._database.guard("jobs.silent"):
            return {row["run"] for row in await self._database.query(SILENT)}

    async def due(self, dead: Collection[UUID]) -> list[Row]:
        """Queue some due jobs again, or fail them after LOSSES, and return them. `dead`: runs considered dead."""
        async with self._database.guard("jobs.due"):
            rows = await self._database.query(DUE, STEP, REQUEUE, LOSSES, HOPELESS, LOST, list(dead))
        return [_row(row) for row in rows]

    async def fruitless(self, job_ids: Collection[str]) -> set[str]:
        """Return those of the jobs that failed or were cancelled."""
        async with self._database.guard("jobs.fruitless"):
            return {str(row["id"]) for row in await self._database.query(FRUITLESS, list(map(UUID, job_ids)))}

    async def old(self, seconds: float) -> list[UUID]:
        """Return some of the jobs that ended more than `seconds` ago."""
        async with self._database.guard("jobs.old"):
            return [row["id"] for row in await self._database.query(OLD, seconds, STEP)]

    async def delete(self, job_id: UUID) -> None:
        """Delete a job."""
        async with self._database.guard("jobs.delete"):
            await self._database.query(DELETE, job_id)

    async def _one(self, call: str, statement: str, *values: Any) -> Row | None:
        async with self._database.guard(call):
            rows = await self._database.query(statement, *values)
        return _row(rows[0]) if rows else None


def _row(row: dict[str, Any]) -> Row:
    fields = {name: row[name] for name in Row._fields if name in row}
    result = row["result"]
    return Row(**fields | {"request": json.loads(row["request"]), "result": json.loads(result) if result else None})
