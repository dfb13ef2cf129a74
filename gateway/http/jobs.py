"""`/jobs`: long work that admins ask for, look at and cancel."""

from functools import partial

from gateway.http.routes import ID, READS, WRITES, Call, Route
from gateway.protocol.jobs import CreateJob, Job, JobPage
from gateway.protocol.queries import JobQuery
from gateway.security.principal import ADMINS
from gateway.services.jobs.jobs import Jobs as JobService


class Jobs:
    """The routes of jobs."""

    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs

    def routes(self) -> list[Route]:
        """The table."""
        admin = partial(Route, answer=Job, who=ADMINS)
        return [
            admin("GET", "/jobs", self.page, query=JobQuery, answer=JobPage, limit=READS),
            admin("POST", "/jobs", self.create, body=CreateJob, limit=WRITES, status=202),
            admin("GET", f"/jobs/{ID}", self.get, limit=READS),
            admin("DELETE", f"/jobs/{ID}", self.cancel, limit=WRITES),
            admin("POST", f"/jobs/{ID}/retry", self.retry, limit=WRITES, status=202),
        ]

    async def page(self, call: Call[None, JobQuery]) -> JobPage:
        """A page of jobs, newest first."""
        return await self._jobs.page(call.query)

    async def retry(self, call: Call[None, None]) -> Job:
        """Queue a failed job again."""
        return await self._jobs.retry(call.path("id"))

    async def create(self, call: Call[CreateJob, None]) -> Job:
        """Ask for a job."""
        return await self._jobs.create(call.principal, call.body)

    async def get(self, call: Call[None, None]) -> Job:
        """One job: how far it is, and what came of it."""
        return await self._jobs.get(call.path("id"))

    async def cancel(self, call: Call[None, None]) -> Job:
        """End a job; one that was cancelled before stays so."""
        return await self._jobs.cancel(call.path("id"))
