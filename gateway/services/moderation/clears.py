"""Clears: deletes many messages of a room at once, and restores them. Called by `/chat` and by bans."""

import math
import time
from bisect import bisect
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import NamedTuple

from gateway.clocks import now
from gateway.errors import NotFound
from gateway.keys import chat_room
from gateway.metrics import Metrics
from gateway.postgres.client import custom_plans
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.payloads.chat import HISTORY, Message
from gateway.protocol.payloads.curation import Clear, ClearAck, Cleared, Restored, UndoAck, UndoClear
from gateway.protocol.powers import Power
from gateway.protocol.wire import Payload, Typed
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from gateway.services.moderation.erasure import Erasure, Span
from gateway.services.moderation.permissions import Permissions
from gateway.services.moderation.pins import Pins
from gateway.services.rooms.log import NewEvent, RoomLog
from gateway.services.rooms.outbox import Outbox
from gateway.services.rooms.places import places_between
from models.main.moderation import ModerationAction

BATCH = 1000  # messages in one transaction and one event; senders wait for the room until it ends
LISTED = 100_000  # messages that one request restores at most: their ids are in memory

# The messages to delete: of one sender or of all, from a time on or from the beginning. Run with custom plans: whether
# the index on senders or on places is better depends on the values.
CHOSEN = """
    FROM messages WHERE stream_key = $1 AND deleted_at IS NULL
        AND ($2::text IS NULL OR sender_id = $2) AND ($3::timestamptz IS NULL OR created_at >= $3) AND seq >= $4
"""
COUNT = f"SELECT count(*) AS count, coalesce(max(seq), 0) AS last {CHOSEN}"
CHOOSE = f"SELECT id, seq {CHOSEN} AND seq > $5 AND seq <= $6 ORDER BY seq LIMIT $7"

# Times are of the clocks of several nodes, places follow the commits: between deleted messages others may stay.
SPARED = """
    SELECT seq FROM messages
    WHERE stream_key = $1 AND deleted_at IS NULL AND ($2::text IS NULL OR sender_id = $2) AND seq BETWEEN $3 AND $4
    ORDER BY seq
"""

CLEAR = "SELECT id FROM moderation_log WHERE id = $1 AND stream_key = $2 AND action = $3"
DELETED = """
    SELECT d.message_id FROM message_deletions d
    CROSS JOIN LATERAL (SELECT seq FROM messages WHERE id = d.message_id LIMIT 1) m
    WHERE d.entry_id = $1 AND d.text IS NOT NULL ORDER BY m.seq LIMIT $2
"""
KEPT = """
    SELECT count(*) FILTER (WHERE text IS NOT NULL) AS kept, count(*) FILTER (WHERE text IS NULL) AS lost
    FROM message_deletions WHERE entry_id = $1
"""


class Choice(NamedTuple):
    """The messages of a room to delete: the parameters of `CHOSEN`. Messages before the place `first` are too old."""

    live_id: str
    user_id: str | None
    since: datetime | None
    first: int = 0


class Clears:
    """Clears rooms and undoes clears. Raises Forbidden, NotFound, and Unavailable.

    After Unavailable, a part of a large request may be done; this part is published. A request that takes longer than
    `time_limit` is answered with the number of remaining messages. In both cases, repeat the request: it does the rest.
    A repeated clear has an id of its own.
    """

    def __init__(
        self,
        database: Database,
        log: RoomLog,
        outbox: Outbox,
        permissions: Permissions,
        audit_log: AuditLog,
        pins: Pins,
        metrics: Metrics,
        time_limit: timedelta,
    ) -> None:
        self._database = database
        self._log = log
        self._outbox = outbox
        self._permissions = permissions
        self._audit_log = audit_log
        self._erasure = Erasure(database)
        self._pins = pins
        self._metrics = metrics
        self._time_limit = time_limit.total_seconds()

    async def clear(self, principal: Principal, request: Clear) -> ClearAck:
        """Delete messages, or with `dry_run` count them."""
        since = None if request.last_seconds is None else now() - timedelta(seconds=request.last_seconds)
        choice = Choice(request.live_id, request.user_id, since)
        if request.dry_run:
            async with self._database.guard("chat.clear"):
                await self._permissions.require(principal, Power.CLEAR, request.live_id)
                count, _ = await self._count(await self._bounded(choice))
            return ClearAck(deleted=count, remaining=count, clear_id=None, dry_run=True)
        return await self._clear(principal, choice, request.reason, request.last_seconds, self._time_limit)

    async def clear_of(self, principal: Principal, live_id: str, user_id: str, reason: str | None) -> int:
        """Delete all messages of a user or guest in a room; return how many. Not within a transaction."""
        return (await self._clear(principal, Choice(live_id, user_id, None), reason, None, math.inf)).deleted

    async def undo(self, principal: Principal, request: UndoClear) -> UndoAck:
        """Restore the messages of a clear whose texts are still stored. A second undo restores nothing."""
        room, clear_id, late = chat_room(request.live_id), int(request.clear_id), _deadline(self._time_limit)
        async with self._database.guard("chat.undo_clear"):
            await self._permissions.require(principal, Power.CLEAR, request.live_id)
            kept, _ = await self._kept(request.live_id, clear_id)
            ids = [row["message_id"] for row in await self._database.query(DELETED, clear_id, LISTED)]
        count = 0
        for first in range(0, len(ids), BATCH):
            if first and late():
                break
            async with self._outbox.change("chat.undo_clear", room) as outgoing:
                await self._log.lock(room)
                back = await self._erasure.restore(ids[first : first + BATCH], clear_id)
                if back and not count:
                    await self._audit_log.record(
                        ModerationAction.UNDO_CLEAR,
                        principal,
                        live_id=request.live_id,
                        details={"clearId": request.clear_id, "messages": kept},
                    )
                outgoing.extend(restored(request.live_id, request.clear_id, back))
            count += len(back)
            self._metrics.messages_restored.inc(len(back))
        async with self._database.guard("chat.undo_clear"):
            remaining, lost = await self._kept(request.live_id, clear_id)
        return UndoAck(restored=count, remaining=remaining, lost=lost)

    # --- the steps ----------------------------------------------------------------------------------------------------

    async def _clear(
        self, principal: Principal, choice: Choice, reason: str | None, last_seconds: int | None, time_limit: float
    ) -> ClearAck:
        room, late = chat_room(choice.live_id), _deadline(time_limit)
        entry, left, done, last = 0, 1, 0, 0
        deleted = 0
        while left > 0 and not (entry and late()):
            async with self._outbox.change("chat.clear", room) as outgoing:
                await self._permissions.require(principal, Power.CLEAR, choice.live_id)
                await self._log.lock(room)
                if not entry:
                    choice = await self._bounded(choice)
                    left, last = await self._count(choice)
                    if not left:
                        break
                    entry = await self._audit_log.record(
                        ModerationAction.CLEAR,
                        principal,
                        live_id=choice.live_id,
                        subject_id=choice.user_id,
                        reason=reason,
                        details={"messages": left, "beforeSeq": last + 1, "lastSeconds": last_seconds},
                    )
                with custom_plans():
                    chosen = await self._database.query(CHOOSE, *choice, done, last, BATCH)
                ids, places = [row["id"] for row in chosen], [row["seq"] for row in chosen]
                span = await self._erasure.erase(choice.live_id, ids, principal.user_id, reason, entry)
                outgoing.extend(_cleared(choice, places, await self._spared(choice, span), entry))
                outgoing.extend(await self._pins.drop_deleted(choice.live_id))
            deleted, done = deleted + span.messages, span.last
            left = left - span.messages if span.messages else 0  # 0 messages: somebody else has deleted the rest
            self._metrics.messages_erased.labels("clear").inc(span.messages)
        return ClearAck(deleted=deleted, remaining=left, clear_id=str(entry) if entry else None, dry_run=False)

    async def _bounded(self, choice: Choice) -> Choice:
        first, _ = await places_between(self._database, choice.live_id, choice.since)
        return choice._replace(first=first)

    async def _count(self, choice: Choice) -> tuple[int, int]:
        """Return the number of messages to delete, and the place of the last one."""
        with custom_plans():
            row = (await self._database.query(COUNT, *choice))[0]
        return row["count"], row["last"]

    async def _spared(self, choice: Choice, span: Span) -> list[int]:
        """Return the places of messages that stay between the deleted ones: of the chosen sender, or of all."""
        with custom_plans():
            rows = await self._database.query(SPARED, choice.live_id, choice.user_id, span.first, span.last)
        return [row["seq"] for row in rows]

    async def _kept(self, live_id: str, clear_id: int) -> tuple[int, int]:
        """Return how many messages of a clear can be restored, and how many no longer can. Raises NotFound."""
        if not await self._database.query(CLEAR, clear_id, live_id, ModerationAction.CLEAR):
            raise NotFound("There is no such clear")
        row = (await self._database.query(KEPT, clear_id))[0]
        return row["kept"], row["lost"]


def _deadline(time_limit: float) -> Callable[[], bool]:
    """Return a function that returns whether `time_limit` seconds have passed since this call."""
    end = time.monotonic() + time_limit
    return lambda: time.monotonic() >= end


def _cleared(choice: Choice, places: Sequence[int], spared: Sequence[int], entry: int) -> list[NewEvent]:
    """Return the fewest events that cover exactly the deleted messages; nearly always one."""
    runs = [list(run) for _, run in groupby(places, partial(bisect, spared))]
    return [
        _event(
            choice.live_id,
            events.CHAT_CLEARED,
            Cleared(
                live_id=choice.live_id,
                user_id=choice.user_id,
                from_seq=run[0],
                before_seq=run[-1] + 1,
                clear_id=str(entry),
            ),
        )
        for run in runs
    ]


def restored(live_id: str, clear_id: str, back: list[Message]) -> list[NewEvent]:
    """Return the event for restored messages, which are in the order of their places; no event for no messages."""
    if not back:
        return []
    data = Restored(
        live_id=live_id,
        clear_id=clear_id,
        from_seq=back[0].seq,
        to_seq=back[-1].seq,
        restored=len(back),
        messages=back if len(back) <= HISTORY else None,
    )
    return [_event(live_id, events.CHAT_RESTORED, data)]


def _event(live_id: str, event: str, data: Payload) -> NewEvent:
    return NewEvent(chat_room(live_id), event, Typed(type=event, data=data))
