"""Streams: creating, starting, stopping, cancelling. Called by the HTTP edge for users and webhooks."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from gateway.clocks import now
from gateway.errors import Code, Conflict, GatewayError, NotFound, UnknownStream
from gateway.keys import viewers_room
from gateway.postgres.database import Database
from gateway.postgres.errors import UniqueError
from gateway.protocol import events
from gateway.protocol.payloads import streaming
from gateway.protocol.payloads.streaming import ChangeStream, CreateStream, MediaEvent, StreamView
from gateway.protocol.wire import Payload
from gateway.realtime.fanout.fanout import Fanout
from gateway.realtime.notices import StreamBegan, StreamEnded, StreamResumed
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from gateway.services.rooms.log import NewEvent, open_rooms
from gateway.services.rooms.outbox import Outbox
from gateway.services.streams.ingest_keys import stream_of
from gateway.services.streams.ownership import lock_stream
from gateway.services.streams.stream_lists import StreamLists, view
from models.main.moderation import ModerationAction
from models.main.stream import Stream, StreamStatus
from models.main.webhook import WebhookMessage

KNOWN = 100_000  # keys that a node caches at most
SWEPT = 100  # interrupted streams ended in one sweep

OVER = (StreamStatus.ENDED, StreamStatus.CANCELLED)

LOST = "SELECT key FROM streams WHERE status = 'LIVE' AND lost_at <= clock_timestamp() - $1::interval LIMIT $2"

CLOCK = "SELECT clock_timestamp() AS moment"

REMEMBER = """
    INSERT INTO webhook_messages (id, received_at) VALUES ($1, clock_timestamp()) ON CONFLICT DO NOTHING RETURNING id
"""


class Streams:
    """Changes streams. Raises Unavailable, NotFound for an unknown key, Forbidden for another host's stream.

    `grace` is how long a live stream waits for an encoder that lost its connection, `reopen` how long an ended stream
    can be resumed. The times are stored in the stream's row, so any node can end the wait. Without a principal the
    gateway itself starts or stops a stream.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        fanout: Fanout,
        lists: StreamLists,
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
            raise UnknownStream
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known.add(key)

    async def create(self, principal: Principal, request: CreateStream) -> StreamView:
        """Create a stream of the caller, with its rooms. Raises Conflict if the key is taken."""
        stream = Stream(
            key=request.key or secrets.token_urlsafe(9),
            title=request.title,
            description=request.description,
            host_id=principal.user_id,
            scheduled_at=request.scheduled_at,
            orders_when_not_live=request.orders_when_not_live,
        )
        try:
            async with self._database.guard("streams.create"), self._database.transaction():
                await stream.save(force_create=True)
                await open_rooms(stream.key)
                await self._record(ModerationAction.CREATE_STREAM, principal, stream, title=stream.title)
        except UniqueError:
            raise Conflict("This key is taken") from None
        await self._lists.publish_upcoming()
        return view(stream)

    async def change(self, principal: Principal, key: str, request: ChangeStream) -> StreamView:
        """Change the given fields. Raises Conflict for a new time of a stream that is not scheduled."""
        given = request.model_dump(exclude_unset=True)
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
            await self._lists.drop_active()
        elif stream.status == StreamStatus.SCHEDULED:
            await self._lists.publish_upcoming()
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
        # No stream has the key "": a message without a stream is refused below, where the answer is stored.
        key = event.data.stream_key or await stream_of(self._database, event.data.ingest_key or "") or ""
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
        if stream.started_at is None:  # by the clock of events, whose `streamTime` counts from here
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
        """Add an entry to the audit log; none for a change by the gateway itself."""
        if principal is not None:
            await self._audit_log.record(action, principal, live_id=stream.key, details=details)

    # --- after the commit -----------------------------------------------------------------------------------------

    async def _announce(self, stream: Stream, before: str) -> None:
        """Notify nodes and update lists, after the commit, if the status of a stream has changed."""
        if stream.status == before:
            return
        if stream.status in OVER:
            await self._fanout.notify(StreamEnded(stream.key))
        elif before == StreamStatus.SCHEDULED and stream.started_at is not None:
            await self._fanout.notify(StreamBegan(stream.key, stream.started_at))
        elif before == StreamStatus.ENDED:
            await self._fanout.notify(StreamResumed(stream.key))
        if StreamStatus.LIVE in (stream.status, before):
            await self._lists.drop_active()
        if before == StreamStatus.SCHEDULED:
            await self._lists.publish_upcoming()


def _require_begun(stream: Stream) -> None:
    if stream.status == StreamStatus.SCHEDULED:
        raise Conflict("The stream has not started")
    if stream.status == StreamStatus.CANCELLED:
        raise Conflict("The stream was cancelled")


def _event(stream: Stream, event: str, payload: Payload) -> NewEvent:
    return NewEvent(viewers_room(stream.key), event, payload)
