"""`/moderation/reports`: reported messages and their review."""

from gateway.errors import Code, codes
from gateway.http.routes import CONFLICT, ID, READS, WRITES, Call, Route
from gateway.protocol.payloads.reports import (
    ReportedMessageDetail,
    ReportedMessagePage,
    ReportedMessageView,
    ReviewReports,
)
from gateway.protocol.queries import ReportQuery
from gateway.security.principal import MEMBERS
from gateway.services.moderation.report_reviews import ReportReviews


class Reports:
    """The routes of reported messages. Reporting one happens on `/chat`."""

    def __init__(self, reviews: ReportReviews) -> None:
        self._reviews = reviews

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        one = f"/moderation/reports/{ID}"
        return [
            Route(
                "GET",
                "/moderation/reports",
                self.page,
                query=ReportQuery,
                answer=ReportedMessagePage,
                who=MEMBERS,
                limit=READS,
            ),
            Route("GET", one, self.get, answer=ReportedMessageDetail, who=MEMBERS, limit=READS),
            Route(
                "POST",
                f"{one}/review",
                self.review,
                body=ReviewReports,
                answer=ReportedMessageView,
                who=MEMBERS,
                limit=WRITES,
                raises=CONFLICT | codes(Code.MUTED),
            ),
        ]

    async def page(self, call: Call[None, ReportQuery]) -> ReportedMessagePage:
        """List reported messages, newest first; hosts see those in the rooms of their own streams."""
        return await self._reviews.page(call.principal, call.query)

    async def get(self, call: Call[None, None]) -> ReportedMessageDetail:
        """Return a reported message with notes and the messages around it. The id is that of the message."""
        return await self._reviews.get(call.principal, call.path("id"))

    async def review(self, call: Call[ReviewReports, None]) -> ReportedMessageView:
        """Keep or delete a reported message. Keeping shows a hidden message again, deleting is for good."""
        return await self._reviews.review(call.principal, call.path("id"), call.body)
