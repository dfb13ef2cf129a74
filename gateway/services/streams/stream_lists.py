"""Reads streams for clients: one, or a page of all, live or scheduled streams. Used by HTTP and services."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from tortoise.expressions import Q

from gateway.clocks import now
from gateway.errors import Unavailable, UnknownStream
from gateway.keys import everyone_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.postgres.search import containing
from gateway.protocol import cursors, events
from gateway.protocol.payloads.streaming import StreamList, StreamPage, StreamView, UpcomingStreams
from gateway.protocol.queries import MAX_PAGE, StreamListQuery, StreamQuery
from gateway.protocol.wire import Moment, StreamKey
from gateway.realtime.fanout.fanout import Fanout
from gateway.redis.cache import Cache
from gateway.redis.client import RedisClient
from models.main.stream import Stream, StreamStatus

ACTIVE, UPCOMING = "active", "upcoming"  # the lists that are cached
LIFETIME = 10.0  # s for which a list is cached; its peaks may be that old
OVERDUE = timedelta(hours=1)  # after its scheduled time a stream is not listed as upcoming
NEWEST_FIRST = ("-created_at", "-key")

FIRST_PAGE = StreamListQuery(limit=MAX_PAGE)  # the only page that is cached


class StreamListCache(Cache[StreamList]):
    """The first pages of live and of scheduled streams."""

    def __init__(self, redis: RedisClient, metrics: Metrics) -> None:
        super().__init__(redis, metrics, "streams", StreamList, LIFETIME)


class StreamLists:
    """Lists streams. Raises Unavailable, and NotFound for an unknown key."""

    def __init__(self, database: Database, fanout: Fanout, cache: StreamListCache) -> None:
        self._database = database
        self._fanout = fanout
        self._cache = cache

    async def get(self, key: str) -> StreamView:
        """Return a stream."""
        async with self._database.guard("streams.get"):
            stream = await Stream.get_or_none(key=key)
        if stream is None:
            raise UnknownStream
        return view(stream)

    async def page(self, request: StreamQuery) -> StreamPage:
        """Return a page of streams, newest first."""
        found = Stream.filter(**request.model_dump(include={"status", "host_id"}, exclude_none=True))
        if request.cursor is not None:
            moment, key = cursors.decode(request.cursor, tuple[Moment, StreamKey])
            found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, key__lt=key))
        async with self._database.guard("streams.page"):
            if request.search is not None:
                streams = await containing(
                    self._database, found, request.search, NEWEST_FIRST, request.limit + 1, "title"
                )
            else:
                streams = await found.order_by(*NEWEST_FIRST).limit(request.limit + 1)
        items, cursor = cursors.page(streams, request.limit, lambda stream: (stream.created_at, stream.key))
        return StreamPage(items=[view(stream) for stream in items], next_cursor=cursor)

    async def active(self, request: StreamListQuery) -> StreamList:
        """Return a page of live streams, the latest start first."""
        if request == FIRST_PAGE:
            return await self._cache.read(ACTIVE, self._first_active)
        return await self._active(request)

    async def upcoming(self, request: StreamListQuery) -> StreamList:
        """Return a page of scheduled streams, soonest first, streams without a time last. Overdue ones are left out."""
        if request == FIRST_PAGE:
            return await self._cache.read(UPCOMING, self._first_upcoming)
        return await self._upcoming(request)

    async def drop_active(self) -> None:
        """Drop the cached list of live streams, after a commit that has changed it."""
        await self._cache.drop(ACTIVE)

    async def publish_upcoming(self) -> None:
        """Publish the list of scheduled streams, after a commit that has changed it."""
        await self._cache.drop(UPCOMING)
        published = ""
        # Repeat until the list has not changed: clients may receive this after a newer list of another node.
        with suppress(Unavailable):  # the change itself is committed
            while (listed := await self.upcoming(FIRST_PAGE)).model_dump_json() != published:
                await self._fanout.publish(
                    everyone_room(), events.UPCOMING_UPDATED, UpcomingStreams(streams=listed.streams)
                )
                published = listed.model_dump_json()

    # --- steps -------------------------------------------------------------------------------------------------------

    async def _first_active(self) -> StreamList:
        return await self._active(FIRST_PAGE)

    async def _active(self, request: StreamListQuery) -> StreamList:
        found = Stream.filter(status=StreamStatus.LIVE)
        if request.cursor is not None:
            moment, key = cursors.decode(request.cursor, tuple[Moment, StreamKey])
            found = found.filter(Q(started_at__lt=moment) | Q(started_at=moment, key__lt=key))
        async with self._database.guard("streams.active"):
            streams = await found.order_by("-started_at", "-key").limit(request.limit + 1)
        return _list(streams, request.limit, "started_at")

    async def _first_upcoming(self) -> StreamList:
        return await self._upcoming(FIRST_PAGE)

    async def _upcoming(self, request: StreamListQuery) -> StreamList:
        found = Stream.filter(status=StreamStatus.SCHEDULED)
        if request.cursor is not None:
            moment, key = cursors.decode(request.cursor, tuple[Moment | None, StreamKey])
            unscheduled = Q(scheduled_at__isnull=True)
            if moment is None:
                found = found.filter(unscheduled, key__gt=key)
            else:
                found = found.filter(unscheduled | Q(scheduled_at__gt=moment) | Q(scheduled_at=moment, key__gt=key))
        async with self._database.guard("streams.upcoming"):
            due = now() - OVERDUE
            found = found.filter(Q(scheduled_at__isnull=True) | Q(scheduled_at__gt=due))
            # PostgreSQL puts NULL last.
            streams = await found.order_by("scheduled_at", "key").limit(request.limit + 1)
        return _list(streams, request.limit, "scheduled_at")


def _list(streams: Sequence[Stream], limit: int, moment_field: str) -> StreamList:
    """Return a page of `limit` streams, sorted by a timestamp and the key; one more means that there is a next page."""
    items, cursor = cursors.page(streams, limit, lambda stream: (getattr(stream, moment_field), stream.key))
    return StreamList(streams=[view(stream) for stream in items], next_cursor=cursor)


def view(stream: Stream) -> StreamView:
    """Return a stream as payload."""
    return StreamView(
        key=stream.key,
        title=stream.title,
        description=stream.description,
        host_id=str(stream.host_id),
        status=StreamStatus(stream.status).value,
        scheduled_at=stream.scheduled_at,
        started_at=stream.started_at,
        ended_at=stream.ended_at,
        closes_at=stream.closes_at,
        orders_when_not_live=stream.orders_when_not_live,
        peak_viewers=stream.peak_viewers,
        total_viewers=max(stream.total_viewers, stream.peak_viewers),
        created_at=stream.created_at,
    )
