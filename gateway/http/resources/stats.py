"""`/streams/{key}/stats`: the numbers of a stream for its staff, without the analytics database."""

from gateway.http.routes import KEY, READS, Call, Route
from gateway.protocol.payloads.streaming import StreamStats
from gateway.security.principal import MEMBERS
from gateway.services.streams.stats import Stats as StatsService


class Stats:
    """The route of a stream's numbers."""

    def __init__(self, stats: StatsService) -> None:
        self._stats = stats

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        return [Route("GET", f"/streams/{KEY}/stats", self.get, answer=StreamStats, who=MEMBERS, limit=READS)]

    async def get(self, call: Call[None, None]) -> StreamStats:
        """Return viewers, rates and revenue of a stream: for administrators, moderators and its host."""
        return await self._stats.get(call.principal, call.path("key"))
