"""`/streams`: everybody reads, hosts and administrators create and run streams."""

from functools import partial

from gateway.errors import Conflict
from gateway.http.routes import CONFLICT, KEY, READS, WRITES, Call, Route
from gateway.protocol.payloads.streaming import (
    ChangeStream,
    CreateStream,
    DuplicateStream,
    IngestKey,
    StreamList,
    StreamPage,
    StreamView,
)
from gateway.protocol.queries import StreamListQuery, StreamQuery
from gateway.security.principal import HOSTS
from gateway.services.commerce.stream_copies import StreamCopies
from gateway.services.streams.ingest_keys import IngestKeys
from gateway.services.streams.stream_lists import StreamLists
from gateway.services.streams.streams import Streams as StreamService

RESERVED = frozenset({"active", "upcoming"})  # paths of lists: a stream with such a key could not be read


class Streams:
    """The routes of streams."""

    def __init__(
        self, streams: StreamService, lists: StreamLists, copies: StreamCopies, ingest_keys: IngestKeys
    ) -> None:
        self._streams = streams
        self._lists = lists
        self._copies = copies
        self._ingest_keys = ingest_keys

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        host = partial(Route, who=HOSTS, limit=WRITES)
        listed = partial(Route, query=StreamListQuery, answer=StreamList, limit=READS)
        return [
            Route("GET", "/streams", self.page, query=StreamQuery, answer=StreamPage, limit=READS),
            listed("GET", "/streams/active", self.active),
            listed("GET", "/streams/upcoming", self.upcoming),
            Route("GET", f"/streams/{KEY}", self.get, answer=StreamView, limit=READS),
            host("POST", "/streams", self.create, body=CreateStream, answer=StreamView, status=201, raises=CONFLICT),
            host("PATCH", f"/streams/{KEY}", self.change, body=ChangeStream, answer=StreamView, raises=CONFLICT),
            host("POST", f"/streams/{KEY}/start", self.start, answer=StreamView, raises=CONFLICT),
            host("POST", f"/streams/{KEY}/stop", self.stop, answer=StreamView, raises=CONFLICT),
            host(
                "POST",
                f"/streams/{KEY}/duplicate",
                self.duplicate,
                body=DuplicateStream,
                answer=StreamView,
                status=201,
                raises=CONFLICT,
            ),
            host("POST", f"/streams/{KEY}/ingest-key", self.rotate_ingest_key, answer=IngestKey, status=201),
            host("DELETE", f"/streams/{KEY}", self.cancel, answer=StreamView, raises=CONFLICT),
        ]

    async def page(self, call: Call[None, StreamQuery]) -> StreamPage:
        """List streams, newest first."""
        return await self._lists.page(call.query)

    async def active(self, call: Call[None, StreamListQuery]) -> StreamList:
        """List live streams, the latest start first."""
        return await self._lists.active(call.query)

    async def upcoming(self, call: Call[None, StreamListQuery]) -> StreamList:
        """List scheduled streams, soonest first."""
        return await self._lists.upcoming(call.query)

    async def get(self, call: Call[None, None]) -> StreamView:
        """Return a stream."""
        return await self._lists.get(call.path("key"))

    async def create(self, call: Call[CreateStream, None]) -> StreamView:
        """Create a stream with the caller as its host."""
        _check_key(call.body.key)
        return await self._streams.create(call.principal, call.body)

    async def change(self, call: Call[ChangeStream, None]) -> StreamView:
        """Change title, description, time, or whether orders are accepted while the stream is not live."""
        return await self._streams.change(call.principal, call.path("key"), call.body)

    async def start(self, call: Call[None, None]) -> StreamView:
        """Start the stream, or resume it soon after its end."""
        return await self._streams.start(call.principal, call.path("key"))

    async def stop(self, call: Call[None, None]) -> StreamView:
        """End the stream."""
        return await self._streams.stop(call.principal, call.path("key"))

    async def duplicate(self, call: Call[DuplicateStream, None]) -> StreamView:
        """Create a scheduled stream with the same host and products."""
        _check_key(call.body.key)
        return await self._copies.duplicate(call.principal, call.path("key"), call.body)

    async def rotate_ingest_key(self, call: Call[None, None]) -> IngestKey:
        """Give the stream a new secret for its encoder; it is shown only in this answer."""
        return await self._ingest_keys.rotate(call.principal, call.path("key"))

    async def cancel(self, call: Call[None, None]) -> StreamView:
        """Cancel a scheduled stream."""
        return await self._streams.cancel(call.principal, call.path("key"))


def _check_key(key: str | None) -> None:
    if key in RESERVED:
        raise Conflict("This key is taken")
