"""`/streams/{key}/messages`: read, search and export the messages of a stream, for moderators and its host."""

from gateway.http.routes import KEY, READS, Call, Lines, Route
from gateway.protocol.payloads.records import StoredMessage, StoredMessagePage
from gateway.protocol.queries import MessageQuery
from gateway.security.principal import MEMBERS
from gateway.services.chat.search import MessageSearch


class Messages:
    """The route of messages."""

    def __init__(self, search: MessageSearch) -> None:
        self._search = search

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        path = f"/streams/{KEY}/messages"
        return [
            Route(
                "GET",
                path,
                self.page,
                query=MessageQuery,
                answer=StoredMessagePage,
                lines=StoredMessage,
                who=MEMBERS,
                limit=READS,
            ),
        ]

    async def page(self, call: Call[None, MessageQuery]) -> StoredMessagePage | Lines:
        """List messages, newest first, or export all of them as lines of JSON."""
        key = call.path("key")
        if call.wants_lines(call.query.format):
            return Lines(await self._search.export(call.principal, key, call.query), f"{key}.jsonl")
        return await self._search.page(call.principal, key, call.query)
