"""Live streams: made, listed, started, stopped. Called by the HTTP edge; other services ask whether one exists."""

import secrets
from contextlib import suppress

from tortoise.expressions import Q

from gateway.errors import Conflict, Forbidden, NotFound, Unavailable
from gateway.keys import everyone_room, viewers_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database, UniqueError
from gateway.protocol import cursors, events
from gateway.protocol.queries import StreamQuery
from gateway.protocol.streaming import CreateStream, StreamMoment, StreamPage, StreamView, UpcomingStreams
from gateway.protocol.wire import Moment, StreamKey, now
from gateway.realtime.fanout.fanout import Fanout
from gateway.realtime.notices import StreamEnded
from gateway.redis.cache import Cache
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal, Role
from gateway.services.rooms.log import Told, open_rooms
from gateway.services.rooms.outbox import Outbox
from models.stream import Stream, StreamStatus

LISTED = 100  # streams in the lists of what is live and what is to come
KNOWN = 100_000  # keys that a node remembers, at most
ACTIVE, UPCOMING = "active", "upcoming"  # the lists
LIFETIME = 10.0  # s a list is kept: what it says of peaks may be that old


class UpcomingCache(Cache[UpcomingStreams]):
    """The streams that are live, and those that are to come."""

    def __init__(self, redis: RedisClient, metrics: Metrics) -> None:
        super().__init__(redis, metrics, "streams", UpcomingStreams, LIFETIME)


class Streams:
    """Raises Unavailable while the database is away, NotFound for an unknown key, Forbidden for another's stream."""

    def __init__(self, database: Database, news: Outbox, fanout: Fanout, lists: UpcomingCache) -> None:
        self._database = database
        self._news = news
        self._fanout = fanout
        self._lists = lists
        self._known: set[str] = set()  # keys of streams that there are; a stream is never deleted

    async def require(self, key: str) -> None:
        """Raises NotFound for a key that is none."""
        if key in self._known:
            return
        async with self._database.guard("streams.require"):
            exists = await Stream.exists(key=key)
        if not exists:
            raise NotFound("There is no such stream")
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known.add(key)

    async def get(self, key: str) -> StreamView:
        """One stream."""
        async with self._database.guard("streams.get"):
            stream = await Stream.get_or_none(key=key)
        if stream is None:
            raise NotFound("There is no such stream")
        return view(stream)

    async def page(self, ask: StreamQuery) -> StreamPage:
        """A page of streams, newest first."""
        found = Stream.all() if ask.status is None else Stream.filter(status=ask.status)
        if ask.cursor is not None:
            moment, key = cursors.decode(ask.cursor, tuple[Moment, StreamKey])
            found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, key__lt=key))
        async with self._database.guard("streams.page"):
            streams = await found.order_by("-created_at", "-key").limit(ask.limit + 1)
        items, more = streams[: ask.limit], len(streams) > ask.limit
        last = cursors.encode((items[-1].created_at.isoformat(), items[-1].key)) if more else None
        return StreamPage(items=[view(stream) for stream in items], next_cursor=last)

    async def active(self) -> UpcomingStreams:
        """What is live now, the latest start first."""
        return await self._lists.read(ACTIVE, self._active)

    async def upcoming(self) -> UpcomingStreams:
        """What is to come, soonest first; what has no time yet comes last."""
        return await self._lists.read(UPCOMING, self._upcoming)

    async def create(self, principal: Principal, ask: CreateStream) -> StreamView:
        """A new stream of the caller, with its rooms. Raises Conflict if the key is taken."""
        stream = Stream(
            key=ask.key or secrets.token_urlsafe(9),
            title=ask.title,
            description=ask.description,
            host_id=principal.user_id,
            scheduled_at=ask.scheduled_at,
        )
        try:
            async with self._database.guard("streams.create"), self._database.transaction():
                await stream.save(force_create=True)
                await open_rooms(stream.key)
        except UniqueError:
            raise Conflict("This key is taken") from None
        await self._tell_upcoming()
        return view(stream)

    async def start(self, principal: Principal | None, key: str) -> StreamView:
        """Go live; nothing happens if it is live already. Raises Conflict if it has ended.

        Without a principal it is the media server that says so.
        """
        async with self._news.change("streams.start", viewers_room(key)) as news:
            stream = await run_by(principal, key)
            if stream.status == StreamStatus.ENDED:
                raise Conflict("The stream has ended")
            if stream.status == StreamStatus.LIVE:
                return view(stream)
            stream.status, stream.started_at = StreamStatus.LIVE.value, now()
            await stream.save()
            news.append(_moment(stream, events.STREAM_STARTED))
        await self._lists.drop(ACTIVE)
        await self._tell_upcoming()
        return view(stream)

    async def stop(self, principal: Principal | None, key: str) -> StreamView:
        """End the stream; nothing happens if it has ended already. Raises Conflict if it was not live.

        Without a principal it is the media server that says so.
        """
        async with self._news.change("streams.stop", viewers_room(key)) as news:
            stream = await run_by(principal, key)
            if stream.status == StreamStatus.SCHEDULED:
                raise Conflict("The stream has not started")
            if stream.status == StreamStatus.ENDED:
                return view(stream)
            # The clock of the node that started it may be ahead of ours.
            stream.status, stream.ended_at = StreamStatus.ENDED.value, max(now(), stream.started_at or now())
            await stream.save()
            news.append(_moment(stream, events.STREAM_ENDED))
        await self._fanout.notify(StreamEnded(key))
        await self._lists.drop(ACTIVE)
        return view(stream)

    # --- the steps ----------------------------------------------------------------------------------------------------

    async def _active(self) -> UpcomingStreams:
        async with self._database.guard("streams.active"):
            streams = await Stream.filter(status=StreamStatus.LIVE).order_by("-started_at").limit(LISTED)
        return UpcomingStreams(streams=[view(stream) for stream in streams])

    async def _upcoming(self) -> UpcomingStreams:
        async with self._database.guard("streams.upcoming"):
            streams = await Stream.filter(status=StreamStatus.SCHEDULED).order_by("scheduled_at", "key").limit(LISTED)
        return UpcomingStreams(streams=[view(stream) for stream in streams])

    async def _tell_upcoming(self) -> None:
        await self._lists.drop(UPCOMING)
        told = ""
        # Until nothing has changed meanwhile: what another node has told may have been heard before this.
        with suppress(Unavailable):  # what was asked is done; the list can be asked for
            while (streams := await self.upcoming()).model_dump_json() != told:
                await self._fanout.publish(everyone_room(), events.UPCOMING_UPDATED, streams)
                told = streams.model_dump_json()


async def run_by(principal: Principal | None, key: str) -> Stream:
    """A stream that somebody may run, its host or an ADMIN, locked until the transaction ends; without anybody any.

    Raises NotFound, Forbidden.
    """
    stream = await Stream.filter(key=key).select_for_update(no_key=True).first()
    if stream is None:
        raise NotFound("There is no such stream")
    if principal is not None and principal.role is not Role.ADMIN and str(stream.host_id) != principal.user_id:
        raise Forbidden("This is another host's stream")
    return stream


def _moment(stream: Stream, event: str) -> Told:
    return Told(viewers_room(stream.key), event, StreamMoment(stream_key=stream.key))


def view(stream: Stream) -> StreamView:
    """A stream as payload."""
    return StreamView(
        key=stream.key,
        title=stream.title,
        description=stream.description,
        host_id=str(stream.host_id),
        status=StreamStatus(stream.status).value,
        scheduled_at=stream.scheduled_at,
        started_at=stream.started_at,
        ended_at=stream.ended_at,
        peak_viewers=stream.peak_viewers,
        total_viewers=max(stream.total_viewers, stream.peak_viewers),
        created_at=stream.created_at,
    )
