"""`/streams`: everybody reads, hosts and admins make and run them."""

from functools import partial
from typing import Protocol

from gateway.errors import Conflict
from gateway.http.routes import KEY, READS, WRITES, Call, Route
from gateway.protocol.queries import StreamQuery
from gateway.protocol.streaming import CreateStream, StreamPage, StreamView, UpcomingStreams
from gateway.security.principal import HOSTS, Principal

RESERVED = frozenset({"active", "upcoming"})  # addresses of lists; a stream of that key could not be read


class StreamService(Protocol):
    """The streams. Raises NotFound, Forbidden for a host who does not own the stream, Unavailable."""

    async def page(self, ask: StreamQuery) -> StreamPage: ...
    async def active(self) -> UpcomingStreams: ...
    async def upcoming(self) -> UpcomingStreams: ...
    async def get(self, key: str) -> StreamView: ...
    async def create(self, principal: Principal, ask: CreateStream) -> StreamView: ...
    async def start(self, principal: Principal | None, key: str) -> StreamView: ...
    async def stop(self, principal: Principal | None, key: str) -> StreamView: ...


class Streams:
    """The routes of streams."""

    def __init__(self, streams: StreamService) -> None:
        self._streams = streams

    def routes(self) -> list[Route]:
        """The table."""
        host = partial(Route, who=HOSTS, limit=WRITES)
        return [
            Route("GET", "/streams", self.page, query=StreamQuery, answer=StreamPage, limit=READS),
            Route("GET", "/streams/active", self.active, answer=UpcomingStreams, limit=READS),
            Route("GET", "/streams/upcoming", self.upcoming, answer=UpcomingStreams, limit=READS),
            Route("GET", f"/streams/{KEY}", self.get, answer=StreamView, limit=READS),
            host("POST", "/streams", self.create, body=CreateStream, answer=StreamView, status=201),
            host("POST", f"/streams/{KEY}/start", self.start, answer=StreamView),
            host("POST", f"/streams/{KEY}/stop", self.stop, answer=StreamView),
        ]

    async def page(self, call: Call[None, StreamQuery]) -> StreamPage:
        """A page of streams."""
        return await self._streams.page(call.query)

    async def active(self, _call: Call[None, None]) -> UpcomingStreams:
        """What is live now."""
        return await self._streams.active()

    async def upcoming(self, _call: Call[None, None]) -> UpcomingStreams:
        """What is scheduled."""
        return await self._streams.upcoming()

    async def get(self, call: Call[None, None]) -> StreamView:
        """One stream."""
        return await self._streams.get(call.path("key"))

    async def create(self, call: Call[CreateStream, None]) -> StreamView:
        """A new stream of the caller."""
        if call.body.key in RESERVED:
            raise Conflict("This key is taken")
        return await self._streams.create(call.principal, call.body)

    async def start(self, call: Call[None, None]) -> StreamView:
        """Go live."""
        return await self._streams.start(call.principal, call.path("key"))

    async def stop(self, call: Call[None, None]) -> StreamView:
        """End the stream."""
        return await self._streams.stop(call.principal, call.path("key"))
