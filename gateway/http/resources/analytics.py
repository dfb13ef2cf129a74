"""`/analytics`: numbers for graphs and reports, of the analytics database. While it is away the answer is 503."""

from functools import partial

from gateway.http.routes import KEY, NOT_FOUND, READS, Call, Route
from gateway.postgres.databases import ANALYTICS
from gateway.protocol.payloads.analytics import SalesReport, StreamReport
from gateway.protocol.queries import AnalyticsQuery
from gateway.security.principal import HOSTS
from gateway.services.analytics.reports import Reports


class Analytics:
    """The routes of analytics."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        report = partial(Route, "GET", query=AnalyticsQuery, who=HOSTS, limit=READS, databases=(ANALYTICS.name,))
        return [
            report(f"/analytics/streams/{KEY}", self.stream, answer=StreamReport, raises=NOT_FOUND),
            report("/analytics/sales", self.sales, answer=SalesReport),
        ]

    async def stream(self, call: Call[None, AnalyticsQuery]) -> StreamReport:
        """Return viewers, messages and sales of a stream over time: of any one for administrators, else the host's."""
        return await self._reports.stream(call.principal, call.path("key"), call.query)

    async def sales(self, call: Call[None, AnalyticsQuery]) -> SalesReport:
        """Return the sales over time and by stream: of all streams for administrators, of their own for hosts."""
        return await self._reports.sales(call.principal, call.query)
