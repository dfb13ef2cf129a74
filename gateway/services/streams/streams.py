"""Streams: creating, listing, starting, stopping, cancelling. Called by the HTTP edge for users and webhooks."""

import hashlib
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from tortoise.expressions import Q

from gateway.clocks import now
from gateway.errors import Code, Conflict, GatewayError, NotFound, Unavailable
from gateway.keys import everyone_room, viewers_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.postgres.errors import UniqueError
from gateway.postgres.search import containing
from gateway.protocol import cursors, events
from gateway.protocol.payloads import streaming
from gateway.protocol.payloads.streaming import (
    ChangeStream,
    CreateStream,
    MediaEvent,
    StreamList,
    StreamPage,
    StreamView,
    UpcomingStreams,
)
from gateway.protocol.queries import MAX_PAGE, StreamListQuery, StreamQuery
from gateway.protocol.wire import Moment, Payload, StreamKey
from gateway.realtime.fanout.fanout import Fanout
from gateway.realtime.notices import StreamEnded, StreamResumed
from gateway.redis.cache import Cache
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from gateway.services.rooms.log import NewEvent, open_rooms
from gateway.services.rooms.outbox import Outbox
from gateway.services.streams.ingest_keys import stream_of
from gateway.services.streams.ownership import lock_stream
from models.main.moderation import ModerationAction
from models.main.stream import Stream, StreamStatus
from models.main.webhook import WebhookMessage

KNOWN = 100_000  # keys that a node caches at most
ACTIVE, UPCOMING = "active", "upcoming"  # the lists
LIFETIME = 10.0  # s that a list is cached; the peaks in it may be that old
OVERDUE = timedelta(hours=1)  # after its scheduled time a stream is not listed as upcoming
SWEPT = 100  # interrupted streams ended in one sweep

NEWEST_FIRST = ("-created_at", "-key")

OVER = (StreamStatus.ENDED, StreamStatus.CANCELLED)

LOST = "SELECT key FROM streams WHERE status = 'LIVE' AND lost_at <= clock_timestamp() - $1::interval LIMIT $2"

CLOCK = "SELECT clock_timestamp() AS moment"

REMEMBER = """
    INSERT INTO webhook_messages (id, received_at) VALUES ($1, clock_timestamp()) ON CONFLICT DO NOTHING RETURNING id
"""


class StreamListCache(Cache[StreamList]):
    """The first pages of live and of scheduled streams."""

    def __init__(self, redis: RedisClient, metrics: Metrics) -> None:
        super().__init__(redis, metrics, "streams", StreamList, LIFETIME)


class Streams:
    """Raises Unavailable, NotFound for an unknown key, Forbidden for another host's stream.

    `grace` is how long a live stream waits for an encoder that lost its connection, `reopen` how long an ended stream
    can be resumed. Both are measured by the database's clock and stored in the stream's row, so any node can end the
    wait. Without a principal the gateway itself starts or stops a stream.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        fanout: Fanout,
        lists: StreamListCache,
        audit_log: AuditLog,
        *,
        grace: timedelta,
        reopen: timedelta,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._fanout = fanout
        self._lists = lists
        self._audit_log = audit_log
        self._grace = grace
        self._reopen = reopen
        self._known: set[str] = set()  # keys of existing streams; streams are never deleted

    async def require(self, key: str) -> None:
        """Raise NotFound if there is no such stream."""
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
        """Return a stream."""
        async with self._database.guard("streams.get"):
            stream = await Stream.get_or_none(key=key)
        if stream is None:
            raise NotFound("There is no such stream")
        return view(stream)

    async def page(self, ask: StreamQuery) -> StreamPage:
        """Return a page of streams, newest first."""
        found = Stream.filter(**ask.model_dump(include={"status", "host_id"}, exclude_none=True))
        if ask.cursor is not None:
            moment, key = cursors.decode(ask.cursor, tuple[Moment, StreamKey])
            found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, key__lt=key))
        async with self._database.guard("streams.page"):
            if ask.search is not None:
                streams = await containing(self._database, found, ask.search, NEWEST_FIRST, ask.limit + 1, "title")
            else:
                streams = await found.order_by(*NEWEST_FIRST).limit(ask.limit + 1)
        items, more = streams[: ask.limit], len(streams) > ask.limit
        last = cursors.encode((items[-1].created_at.isoformat(), items[-1].key)) if more else None
        return StreamPage(items=[view(stream) for stream in items], next_cursor=last)

    async def active(self, ask: StreamListQuery) -> StreamList:
        """Return a page of live streams, the latest start first."""
        if ask == FIRST_PAGE:
            return await self._lists.read(ACTIVE, self._first_active)
        return await self._active(ask)

    async def upcoming(self, ask: StreamListQuery) -> StreamList:
        """Return a page of scheduled streams, soonest first, those without a time last, without overdue ones."""
        if ask == FIRST_PAGE:
            return await self._lists.read(UPCOMING, self._first_upcoming)
        return await self._upcoming(ask)

    async def create(self, principal: Principal, ask: CreateStream) -> StreamView:
        """Create a stream of the caller, with its rooms. Raises Conflict if the key is taken."""
        stream = Stream(
            key=ask.key or secrets.token_urlsafe(9),
            title=ask.title,
            description=ask.description,
            host_id=principal.user_id,
            scheduled_at=ask.scheduled_at,
            orders_when_not_live=ask.orders_when_not_live,
        )
        try:
            async with self._database.guard("streams.create"), self._database.transaction():
                await stream.save(force_create=True)
                await open_rooms(stream.key)
                await self._record(ModerationAction.CREATE_STREAM, principal, stream, title=stream.title)
        except UniqueError:
            raise Conflict("This key is taken") from None
        await self.publish_upcoming()
        return view(stream)

    async def change(self, principal: Principal, key: str, ask: ChangeStream) -> StreamView:
        """Change the given fields. Raises Conflict for a new time of a stream that is not scheduled."""
        given = ask.model_dump(exclude_unset=True)
        async with self._database.guard("streams.change"), self._database.transaction():
            stream = await lock_stream(principal, key)
            if "scheduled_at" in given and stream.status != StreamStatus.SCHEDULED:
                raise Conflict("Only a scheduled stream has a time that can be changed")
            before = {name: getattr(stream, name) for name in given}
            await stream.update_from_dict(given).save()
            changed = {name: value for name, value in given.items() if value != before[name]}
            if changed:
                details = {"before": {name: before[name] for name in changed}, "after": changed}
                await self._record(ModerationAction.CHANGE_STREAM, principal, stream, **details)
        if stream.status == StreamStatus.LIVE:
            await self._lists.drop(ACTIVE)
        elif stream.status == StreamStatus.SCHEDULED:
            await self.publish_upcoming()
        return view(stream)

    async def start(self, principal: Principal | None, key: str) -> StreamView:
        """Start a stream, or resume one that ended less than `reopen` ago; a live stream stays as it is.

        Raises Conflict for a stream that was cancelled or ended earlier.
        """
        async with self._outbox.change("streams.start", viewers_room(key)) as outgoing:
            stream = await lock_stream(principal, key)
            before = stream.status
            await self._begin(stream, outgoing)
            if stream.status != before:
                resumed = before == StreamStatus.ENDED
                await self._record(ModerationAction.START_STREAM, principal, stream, resumed=resumed)
        await self._announce(stream, before)
        return view(stream)

    async def stop(self, principal: Principal | None, key: str) -> StreamView:
        """End a stream; an ended one stays as it is. Raises Conflict if it was never live."""
        async with self._outbox.change("streams.stop", viewers_room(key)) as outgoing:
            stream = await lock_stream(principal, key)
            before = stream.status
            _require_begun(stream)
            await self._end(stream, outgoing)
            if stream.status != before:
                await self._record(ModerationAction.STOP_STREAM, principal, stream)
        await self._announce(stream, before)
        return view(stream)

    async def cancel(self, principal: Principal, key: str) -> StreamView:
        """Cancel a scheduled stream; a cancelled one stays as it is. Raises Conflict once it has been live."""
        async with self._outbox.change("streams.cancel", viewers_room(key)):
            stream = await lock_stream(principal, key)
            before = stream.status
            if before in (StreamStatus.LIVE, StreamStatus.ENDED):
                raise Conflict("Only a scheduled stream can be cancelled")
            if before == StreamStatus.SCHEDULED:
                stream.status = StreamStatus.CANCELLED.value
                await stream.save()
                await self._record(ModerationAction.CANCEL_STREAM, principal, stream)
        await self._announce(stream, before)
        return view(stream)

    async def report(self, message_id: str, event: MediaEvent) -> None:
        """Apply a message of the media server, once per message id.

        `stream.started` starts or resumes a stream; `stream.ended` starts the grace time of a live one. A repeated
        message has no effect and gets the answer of the first one, NotFound or Conflict if that was refused.
        """
        key = event.data.stream_key or await stream_of(self._database, event.data.ingest_key or "")
        stream, before = None, ""
        refusal: GatewayError | None = None
        async with self._outbox.change("streams.report", viewers_room(key)) as outgoing:
            message, fresh = await self._remember(message_id)
            if fresh:
                try:
                    stream = await lock_stream(None, key)
                    before = stream.status
                    await (self._begin if event.type == "stream.started" else self._lose)(stream, outgoing)
                except (NotFound, Conflict) as error:
                    refusal, stream = error, None
                    message.code, message.message = error.code, error.message
                    await message.save()
            elif message.code is not None:
                refusal = GatewayError(Code(message.code), message.message)
        if stream is not None:
            await self._announce(stream, before)
        if refusal is not None:
            raise refusal

    async def end_interrupted(self) -> None:
        """End live streams whose encoder has been disconnected for `grace`. Called periodically on every node."""
        async with self._database.guard("streams.interrupted"):
            rows = await self._database.query(LOST, self._grace, SWEPT)
        for row in rows:
            key = str(row["key"])
            async with self._outbox.change("streams.end_interrupted", viewers_room(key)) as outgoing:
                stream = await lock_stream(None, key)
                before = stream.status
                # Another node may have ended it, or its encoder may have reconnected.
                if stream.lost_at is not None and stream.lost_at <= now() - self._grace:
                    await self._end(stream, outgoing)
            await self._announce(stream, before)

    # --- within a transaction, with the stream locked -----------------------------------------------------------------

    async def _begin(self, stream: Stream, outgoing: list[NewEvent]) -> None:
        if stream.status == StreamStatus.CANCELLED:
            raise Conflict("The stream was cancelled")
        moment = now()
        ended = stream.status == StreamStatus.ENDED
        if ended and (stream.closes_at is None or stream.closes_at <= moment):
            raise Conflict("The stream has ended")
        if stream.status != StreamStatus.LIVE:
            outgoing.append(
                _event(stream, events.STREAM_STARTED, streaming.StreamStarted(stream_key=stream.key, resumed=ended))
            )
        elif stream.lost_at is None:
            return
        if stream.started_at is None:  # by the clock that dates events, from which their `streamTime` is counted
            stream.started_at = (await self._database.query(CLOCK))[0]["moment"]
        stream.status = StreamStatus.LIVE.value
        stream.lost_at = stream.ended_at = stream.closes_at = None
        await stream.save()

    async def _lose(self, stream: Stream, outgoing: list[NewEvent]) -> None:
        _require_begun(stream)
        if not self._grace:
            await self._end(stream, outgoing)
        elif stream.status == StreamStatus.LIVE and stream.lost_at is None:
            stream.lost_at = now()
            await stream.save()

    async def _end(self, stream: Stream, outgoing: list[NewEvent]) -> None:
        if stream.status != StreamStatus.LIVE:
            return
        moment = now()
        # The clock may have been set back since the start.
        stream.status, stream.ended_at = StreamStatus.ENDED.value, max(moment, stream.started_at or moment)
        stream.lost_at, stream.closes_at = None, moment + self._reopen
        await stream.save()
        outgoing.append(_event(stream, events.STREAM_ENDED, streaming.StreamEnded(stream_key=stream.key)))

    async def _remember(self, message_id: str) -> tuple[WebhookMessage, bool]:
        """Return the stored message, and whether it is new. Waits while another node handles the same message."""
        digest = hashlib.sha256(message_id.encode("utf-8", "surrogateescape")).hexdigest()
        fresh = bool(await self._database.query(REMEMBER, digest))
        return await WebhookMessage.get(id=digest), fresh

    async def _record(
        self, action: ModerationAction, principal: Principal | None, stream: Stream, **details: Any
    ) -> None:
        """Add an entry to the audit log; none for what the gateway does by itself."""
        if principal is not None:
            await self._audit_log.record(action, principal, live_id=stream.key, details=details)

    # --- lists and broadcasts -----------------------------------------------------------------------------------------

    async def _first_active(self) -> StreamList:
        return await self._active(FIRST_PAGE)

    async def _active(self, ask: StreamListQuery) -> StreamList:
        found = Stream.filter(status=StreamStatus.LIVE)
        if ask.cursor is not None:
            moment, key = cursors.decode(ask.cursor, tuple[Moment, StreamKey])
            found = found.filter(Q(started_at__lt=moment) | Q(started_at=moment, key__lt=key))
        async with self._database.guard("streams.active"):
            streams = await found.order_by("-started_at", "-key").limit(ask.limit + 1)
        return _list(streams, ask.limit, "started_at")

    async def _first_upcoming(self) -> StreamList:
        return await self._upcoming(FIRST_PAGE)

    async def _upcoming(self, ask: StreamListQuery) -> StreamList:
        found = Stream.filter(status=StreamStatus.SCHEDULED)
        if ask.cursor is not None:
            moment, key = cursors.decode(ask.cursor, tuple[Moment | None, StreamKey])
            unscheduled = Q(scheduled_at__isnull=True)
            if moment is None:
                found = found.filter(unscheduled, key__gt=key)
            else:
                found = found.filter(unscheduled | Q(scheduled_at__gt=moment) | Q(scheduled_at=moment, key__gt=key))
        async with self._database.guard("streams.upcoming"):
            due = now() - OVERDUE
            found = found.filter(Q(scheduled_at__isnull=True) | Q(scheduled_at__gt=due))
            # PostgreSQL puts NULL last.
            streams = await found.order_by("scheduled_at", "key").limit(ask.limit + 1)
        return _list(streams, ask.limit, "scheduled_at")

    async def _announce(self, stream: Stream, before: str) -> None:
        """Notify nodes and update lists, after the commit, if the status of a stream has changed."""
        if stream.status == before:
            return
        if stream.status in OVER:
            await self._fanout.notify(StreamEnded(stream.key))
        elif before == StreamStatus.ENDED:
            await self._fanout.notify(StreamResumed(stream.key))
        if StreamStatus.LIVE in (stream.status, before):
            await self._lists.drop(ACTIVE)
        if before == StreamStatus.SCHEDULED:
            await self.publish_upcoming()

    async def publish_upcoming(self) -> None:
        """Publish the list of scheduled streams, after a commit that has changed it."""
        await self._lists.drop(UPCOMING)
        published = ""
        # Repeat until the list has not changed: clients may receive this after a newer list of another node.
        with suppress(Unavailable):  # the change itself is committed
            while (listed := await self.upcoming(FIRST_PAGE)).model_dump_json() != published:
                await self._fanout.publish(
                    everyone_room(), events.UPCOMING_UPDATED, UpcomingStreams(streams=listed.streams)
                )
                published = listed.model_dump_json()


FIRST_PAGE = StreamListQuery(limit=MAX_PAGE)  # the one that is cached


def _require_begun(stream: Stream) -> None:
    if stream.status == StreamStatus.SCHEDULED:
        raise Conflict("The stream has not started")
    if stream.status == StreamStatus.CANCELLED:
        raise Conflict("The stream was cancelled")


def _event(stream: Stream, event: str, payload: Payload) -> NewEvent:
    return NewEvent(viewers_room(stream.key), event, payload)


def _list(streams: Sequence[Stream], limit: int, moment_field: str) -> StreamList:
    """Return a page of `limit` streams, sorted by a timestamp and the key; one more means that there is a next page."""
    items, last = streams[:limit], None
    if len(streams) > limit:
        moment: datetime | None = getattr(items[-1], moment_field)
        last = cursors.encode((None if moment is None else moment.isoformat(), items[-1].key))
    return StreamList(streams=[view(stream) for stream in items], next_cursor=last)


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
