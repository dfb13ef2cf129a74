"""`/jobs`: background jobs, which administrators create, watch, retry and cancel."""

from functools import partial

from gateway.http.routes import CONFLICT, ID, NOT_FOUND, READS, WRITES, Call, Route
from gateway.protocol.payloads.jobs import CreateJob, Job, JobPage
from gateway.protocol.queries import JobQuery
from gateway.security.principal import ADMINS
from gateway.services.jobs.jobs import Jobs as JobService


class Jobs:
    """The routes of jobs."""

    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        admin = partial(Route, answer=Job, who=ADMINS)
        return [
            admin("GET", "/jobs", self.page, query=JobQuery, answer=JobPage, limit=READS),
            admin("POST", "/jobs", self.create, body=CreateJob, limit=WRITES, status=202, raises=NOT_FOUND | CONFLICT),
            admin("GET", f"/jobs/{ID}", self.get, limit=READS),
            admin("DELETE", f"/jobs/{ID}", self.cancel, limit=WRITES, raises=CONFLICT),
            admin("POST", f"/jobs/{ID}/retry", self.retry, limit=WRITES, status=202, raises=CONFLICT),
        ]

    async def page(self, call: Call[None, JobQuery]) -> JobPage:
        """List jobs, newest first."""
        return await self._jobs.page(call.query)

    async def retry(self, call: Call[None, None]) -> Job:
        """Queue a failed job again."""
        return await self._jobs.retry(call.path("id"))

    async def create(self, call: Call[CreateJob, None]) -> Job:
        """Create a job."""
        return await self._jobs.create(call.principal, call.body)

    async def get(self, call: Call[None, None]) -> Job:
        """Return a job with its progress and result."""
        return await self._jobs.get(call.path("id"))

    async def cancel(self, call: Call[None, None]) -> Job:
        """Cancel a job; has no effect on a cancelled one."""
        return await self._jobs.cancel(call.path("id"))
