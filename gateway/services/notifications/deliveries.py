"""Delivers notifications to the sockets of their recipients, at once or at the next connect. Run by every node.

After a node has sent a notification to a socket, it marks it as delivered in the database. If all of these sockets turn
out to be dead, it removes the mark. So a lost notice, a killed node, a lost connection or an unavailable server only
delays a notification; in the worst case it arrives twice with the same id.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any
from uuid import UUID

import structlog

from gateway.concurrency.tasks import cancel
from gateway.errors import Unavailable
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.payloads.notifications import Notification
from gateway.protocol.wire import Typed
from gateway.realtime.members.events_to_users import EventsToUsers
from gateway.realtime.notices import NoticeSource, NotificationSent
from gateway.realtime.socketio.socket import Socket

log = structlog.get_logger()

TICK = 0.5  # s between two checks of the times below
RECHECK = 60.0  # s between two queries for the notifications of connected users, because notices may be lost
RECHECK_DEAF = 5.0  # s between two, while this node receives no notices
EXPIRE = 10.0  # s between two cleanups of the memory of sent notifications
RETRY = 1.0  # s until the next attempt while the database is unavailable
REMEMBERED = 180.0  # s for which sockets of recipients are remembered: longer than a dead socket can stay undetected
USERS = 500  # in one query
EACH = 20  # notifications of one user in one query; the next query returns further ones

WAITING = """
SELECT waiting.id, waiting.user_id, waiting.title, waiting.message, waiting.level, waiting.created_at
FROM unnest($1::uuid[]) AS person (id) CROSS JOIN LATERAL (
    SELECT * FROM notifications WHERE user_id = person.id AND delivered_at IS NULL
    ORDER BY created_at, id LIMIT $2
) AS waiting
ORDER BY waiting.created_at, waiting.id
"""
MARK = "UPDATE notifications SET delivered_at = now() WHERE id = ANY($1::uuid[]) AND delivered_at IS NULL"
UNMARK = "UPDATE notifications SET delivered_at = NULL WHERE id = ANY($1::uuid[])"


class _Sent:
    """The ids of the sockets of this node to which a notification was sent, and when the last one was."""

    __slots__ = ("sids", "since")

    def __init__(self) -> None:
        self.since = 0.0
        self.sids: set[str] = set()


class Deliveries:
    """Delivers in one task for all users; users who connect during a query are in the next one.

    `losses` returns how often this node may have missed notices, or None while it receives none.
    """

    def __init__(
        self,
        database: Database,
        users: EventsToUsers,
        notices: NoticeSource,
        losses: Callable[[], int | None],
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._users = users
        self._losses = losses
        self._metrics = metrics
        self._pending: dict[str, UUID] = {}  # users to query, in the order of their arrival
        self._unmarked: set[str] = set()  # ids of notifications to mark as delivered
        self._undelivered: set[str] = set()  # ids of notifications whose mark is to be removed
        self._sent: dict[str, dict[str, _Sent]] = {}  # by user id and notification id
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        users.on_arrival(self._arrived)
        users.on_departure(self._departed)
        notices.on_notice(NotificationSent, self._on_notice)

    def start(self) -> None:
        """Start to deliver."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="deliveries")

    async def close(self) -> None:
        """Stop, after a last attempt to store the marks."""
        if self._task is not None:
            await cancel(self._task)
            with suppress(Unavailable):
                await self._mark()

    # --- triggers -------------------------------------------------------------------------------------------------

    def _arrived(self, user_id: str) -> None:
        with suppress(ValueError):  # a token from an operator may have an id that is no UUID
            self._pending[user_id] = UUID(user_id)
            self._wake.set()

    def _departed(self, user_id: str, socket: Socket) -> None:
        """Deliver notifications again that were sent to a dead socket only."""
        if not socket.dropped:
            return
        for notification_id, sent in self._sent.get(user_id, {}).items():
            if sent.sids == {socket.sid}:
                self._unmarked.discard(notification_id)
                self._undelivered.add(notification_id)
                self._metrics.notifications.labels("unheard").inc()
                self._arrived(user_id)  # the user may have connected again
            sent.sids.discard(socket.sid)

    async def _on_notice(self, notice: NotificationSent) -> None:
        for user_id, notification_id in notice.ids.items():
            notification = Notification.model_validate(
                {
                    "id": notification_id,
                    "title": notice.title,
                    "message": notice.message,
                    "level": notice.level,
                    "timestamp": notice.timestamp,
                }
            )
            self._send(user_id, notification)

    def _send(self, user_id: str, notification: Notification) -> None:
        """Send a notification to the sockets of a user that have not got it yet."""
        sockets = self._users.sockets(user_id)
        if not sockets:
            return
        sent = self._sent.setdefault(user_id, {}).setdefault(notification.id, _Sent())
        payload = Typed(type=events.NOTIFICATION_NEW, data=notification)
        if fresh := [socket for socket in sockets if socket.sid not in sent.sids]:
            for socket in fresh:
                socket.send(events.NOTIFICATION_NEW, payload)
                sent.sids.add(socket.sid)
            sent.since = asyncio.get_running_loop().time()
            self._metrics.notifications.labels("delivered").inc()
        self._unmarked.add(notification.id)
        self._wake.set()

    # --- the task -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        checked = expired = loop.time()
        known = self._losses()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._wake.wait()
            self._wake.clear()
            moment, losses = loop.time(), self._losses()
            if moment >= checked + (RECHECK_DEAF if losses is None else RECHECK) or losses not in (None, known):
                checked, known = moment, losses if losses is not None else known
                for user_id in self._users.connected():
                    self._arrived(user_id)
            if moment >= expired + EXPIRE:
                expired = moment
                self._expire(moment - REMEMBERED)
            try:
                await self.deliver()
            except Unavailable:
                await asyncio.sleep(RETRY)
            except Exception:
                log.exception("notifications could not be delivered")
                await asyncio.sleep(RETRY)

    async def deliver(self) -> None:
        """Send the undelivered notifications of pending users, and store the marks. Raises Unavailable."""
        await self._mark()
        while self._pending:
            users = dict(islice(self._pending.items(), USERS))
            rows = await self._waiting(list(users.values()))
            counts = dict.fromkeys(users, 0)
            for row in rows:
                counts[str(row["user_id"])] += 1
                self._send(str(row["user_id"]), _notification(row))
            await self._mark()
            for user_id, count in counts.items():
                if count < EACH or not self._users.sockets(user_id):
                    del self._pending[user_id]

    async def _waiting(self, users: Sequence[UUID]) -> list[dict[str, Any]]:
        async with self._database.guard("notifications.waiting"):
            return await self._database.query(WAITING, users, EACH)

    async def _mark(self) -> None:
        for statement, changed in ((UNMARK, self._undelivered), (MARK, self._unmarked)):
            if ids := list(changed):
                async with self._database.guard("notifications.mark"):
                    await self._database.query(statement, [UUID(notification_id) for notification_id in ids])
                changed.difference_update(ids)

    def _expire(self, before: float) -> None:
        # Unmarked ones are kept, because the next query returns them again.
        for user_id, sent in list(self._sent.items()):
            kept = {one: entry for one, entry in sent.items() if entry.since >= before or one in self._unmarked}
            if kept:
                self._sent[user_id] = kept
            else:
                del self._sent[user_id]


def _notification(row: dict[str, Any]) -> Notification:
    return Notification(
        id=str(row["id"]),
        title=row["title"],
        message=row["message"],
        level=row["level"],
        timestamp=row["created_at"],
    )
