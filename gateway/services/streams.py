"""Live streams: made, listed, started, stopped. Called by the HTTP edge; other services ask whether one exists."""

import secrets
from typing import Protocol

from tortoise.expressions import Q

from gateway.connections.database import Database, UniqueError
from gateway.errors import Conflict, Forbidden, NotFound, Unavailable
from gateway.keys import Room, everyone_room, viewers_room
from gateway.protocol import events
from gateway.protocol.queries import StreamQuery
from gateway.protocol.streaming import CreateStream, StreamMoment, StreamPage, StreamView, UpcomingStreams
from gateway.protocol.wire import Moment, Payload, StreamKey, now
from gateway.security.principal import Principal, Role
from gateway.services import cursors
from gateway.services.room_log import open_rooms
from models.stream import Stream, StreamStatus

LISTED = 100  # streams in the lists of what is live and what is to come


class Fanout(Protocol):
    """Broadcasts. Never raises."""

    async def publish(self, room: Room, event: str, payload: Payload, seq: int | None = None) -> None: ...


class Log(Protocol):
    """The logs of rooms, within a transaction."""

    async def next(self, room: Room) -> int: ...
    async def record(self, room: Room, seq: int, event: str, payload: Payload) -> None: ...


class Streams:
    """Raises Unavailable while the database is away, NotFound for an unknown key, Forbidden for another's stream."""

    def __init__(self, database: Database, log: Log, fanout: Fanout) -> None:
        self._database = database
        self._log = log
        self._fanout = fanout

    async def require(self, key: str) -> None:
        """Raises NotFound for a key that is none."""
        async with self._database.guard("streams.require"):
            exists = await Stream.exists(key=key)
        if not exists:
            raise NotFound("There is no such stream")

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
        async with self._database.guard("streams.active"):
            streams = await Stream.filter(status=StreamStatus.LIVE).order_by("-started_at").limit(LISTED)
        return UpcomingStreams(streams=[view(stream) for stream in streams])

    async def upcoming(self) -> UpcomingStreams:
        """What is to come, soonest first; what has no time yet comes last."""
        async with self._database.guard("streams.upcoming"):
            streams = await Stream.filter(status=StreamStatus.SCHEDULED).order_by("scheduled_at", "key").limit(LISTED)
        return UpcomingStreams(streams=[view(stream) for stream in streams])

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

    async def start(self, principal: Principal, key: str) -> StreamView:
        """Go live; nothing happens if it is live already. Raises Conflict if it has ended."""
        async with self._database.guard("streams.start"), self._database.transaction():
            stream = await self._own(principal, key)
            if stream.status == StreamStatus.ENDED:
                raise Conflict("The stream has ended")
            starts = stream.status == StreamStatus.SCHEDULED
            if starts:
                stream.status, stream.started_at = StreamStatus.LIVE.value, now()
                await stream.save()
                told, seq = await self._keep(key, events.STREAM_STARTED)
        if starts:
            await self._fanout.publish(viewers_room(key), events.STREAM_STARTED, told, seq)
            await self._tell_upcoming()
        return view(stream)

    async def stop(self, principal: Principal, key: str) -> StreamView:
        """End the stream; nothing happens if it has ended already. Raises Conflict if it was not live."""
        async with self._database.guard("streams.stop"), self._database.transaction():
            stream = await self._own(principal, key)
            if stream.status == StreamStatus.SCHEDULED:
                raise Conflict("The stream has not started")
            ends = stream.status == StreamStatus.LIVE
            if ends:
                stream.status, stream.ended_at = StreamStatus.ENDED.value, now()
                await stream.save()
                told, seq = await self._keep(key, events.STREAM_ENDED)
        if ends:
            await self._fanout.publish(viewers_room(key), events.STREAM_ENDED, told, seq)
        return view(stream)

    async def _own(self, principal: Principal, key: str) -> Stream:
        """A stream that the caller may run, locked until the transaction ends."""
        stream = await Stream.filter(key=key).select_for_update().first()
        if stream is None:
            raise NotFound("There is no such stream")
        if principal.role is not Role.ADMIN and str(stream.host_id) != principal.user_id:
            raise Forbidden("This is another host's stream")
        return stream

    async def _keep(self, key: str, event: str) -> tuple[StreamMoment, int]:
        """Keep in the log what those who watch are to hear, and where; within the transaction that makes it so."""
        told, room = StreamMoment(stream_key=key), viewers_room(key)
        seq = await self._log.next(room)
        await self._log.record(room, seq, event, told)
        return told, seq

    async def _tell_upcoming(self) -> None:
        try:
            streams = await self.upcoming()
        except Unavailable:
            return  # what was asked is done; the list can be asked for
        await self._fanout.publish(everyone_room(), events.UPCOMING_UPDATED, streams)


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
        created_at=stream.created_at,
    )
