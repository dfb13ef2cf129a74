"""Brings notifications to the sockets of whom they are for, now or when they come back. Run by every node.

A notification waits in the database until a node has handed it to a socket: only then it is marked as delivered. When
all sockets it was handed to turn out to have been silent, it waits again. So a lost notice, a killed node, a phone in a
tunnel or a server that is away delay it, and in the worst case it comes twice with the same id.
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
from gateway.protocol.notifications import Notification
from gateway.protocol.wire import Typed
from gateway.realtime.members.user_delivery import UserDelivery
from gateway.realtime.notices import NoticeSource, NotificationSent
from gateway.realtime.socketio.socket import Socket

log = structlog.get_logger()

TICK = 0.5  # s between two looks at whether there is anything to do by the clock
RECHECK = 60.0  # s between two looks for notifications of connected users; finds those of lost notices
DEAF = 5.0  # s between two, while this node does not hear the others
EXPIRE = 10.0  # s between two looks at what need not be remembered any more
PATIENCE = 1.0  # s until the next attempt while the database is away
REMEMBERED = 180.0  # s for which it is known to whom one was handed: longer than silence may go unnoticed, and RECHECK
PEOPLE = 500  # asked about in one query
EACH = 20  # notifications of one person in one round; who has more gets them in the next

WAITING = """
SELECT waiting.id, waiting.user_id, waiting.title, waiting.message, waiting.level, waiting.created_at
FROM unnest($1::uuid[]) AS person (id) CROSS JOIN LATERAL (
    SELECT * FROM notifications WHERE user_id = person.id AND delivered_at IS NULL
    ORDER BY created_at, id LIMIT $2
) AS waiting
ORDER BY waiting.created_at, waiting.id
"""
MARK = "UPDATE notifications SET delivered_at = now() WHERE id = ANY($1::uuid[]) AND delivered_at IS NULL"
RETURN = "UPDATE notifications SET delivered_at = NULL WHERE id = ANY($1::uuid[])"


class _Handed:
    """To which sockets of this node a notification was handed, and when."""

    __slots__ = ("since", "told")

    def __init__(self) -> None:
        self.since = 0.0
        self.told: set[str] = set()


class Deliveries:
    """One task for all users: those who connect during a query are in the next one.

    `losses` says how often this node may have missed notices of the others, or None while it does not hear them.
    """

    def __init__(
        self,
        database: Database,
        persons: UserDelivery,
        notices: NoticeSource,
        losses: Callable[[], int | None],
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._persons = persons
        self._losses = losses
        self._metrics = metrics
        self._asked: dict[str, UUID] = {}  # users to look after, those who came first before the others
        self._unmarked: set[str] = set()  # ids of what was handed over
        self._unheard: set[str] = set()  # ids of what was handed over to nobody who listened
        self._handed: dict[str, dict[str, _Handed]] = {}  # by user and id
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        persons.on_arrival(self._arrived)
        persons.on_departure(self._departed)
        notices.on_notice(NotificationSent, self._sent)

    def start(self) -> None:
        """Begin to deliver."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="deliveries")

    async def close(self) -> None:
        """Stop, after a last attempt to mark what was handed over."""
        if self._task is not None:
            await cancel(self._task)
            with suppress(Unavailable):
                await self._mark()

    # --- what there is to deliver ---------------------------------------------------------------------------------

    def _arrived(self, user_id: str) -> None:
        with suppress(ValueError):  # an operator's token may name somebody who has no account
            self._asked[user_id] = UUID(user_id)
            self._news.set()

    def _departed(self, user_id: str, socket: Socket) -> None:
        """Have what went to this socket alone wait again, if it may have gone nowhere."""
        if not socket.dropped:
            return
        for notification_id, handed in self._handed.get(user_id, {}).items():
            if handed.told == {socket.sid}:
                self._unmarked.discard(notification_id)
                self._unheard.add(notification_id)
                self._metrics.notifications.labels("unheard").inc()
                self._arrived(user_id)  # they may be back by now
            handed.told.discard(socket.sid)

    async def _sent(self, notice: NotificationSent) -> None:
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
            self._hand(user_id, notification)

    def _hand(self, user_id: str, notification: Notification) -> None:
        """Send a notification to those of the user's sockets that were not sent it yet."""
        sockets = self._persons.sockets(user_id)
        if not sockets:
            return
        handed = self._handed.setdefault(user_id, {}).setdefault(notification.id, _Handed())
        payload = Typed(type=events.NOTIFICATION_NEW, data=notification)
        if fresh := [socket for socket in sockets if socket.sid not in handed.told]:
            for socket in fresh:
                socket.send(events.NOTIFICATION_NEW, payload)
                handed.told.add(socket.sid)
            handed.since = asyncio.get_running_loop().time()
            self._metrics.notifications.labels("delivered").inc()
        self._unmarked.add(notification.id)
        self._news.set()

    # --- the task -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        checked = expired = loop.time()
        known = self._losses()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._news.wait()
            self._news.clear()
            moment, losses = loop.time(), self._losses()
            if moment >= checked + (DEAF if losses is None else RECHECK) or losses not in (None, known):
                checked, known = moment, losses if losses is not None else known
                for user_id in self._persons.here():
                    self._arrived(user_id)
            if moment >= expired + EXPIRE:
                expired = moment
                self._expire(moment - REMEMBERED)
            try:
                await self.deliver()
            except Unavailable:
                await asyncio.sleep(PATIENCE)
            except Exception:
                log.exception("notifications could not be delivered")
                await asyncio.sleep(PATIENCE)

    async def deliver(self) -> None:
        """Hand over what waits for those who are asked for, and mark what was handed over. Raises Unavailable."""
        await self._mark()
        while self._asked:
            people = dict(islice(self._asked.items(), PEOPLE))
            rows = await self._waiting(list(people.values()))
            counts = dict.fromkeys(people, 0)
            for row in rows:
                counts[str(row["user_id"])] += 1
                self._hand(str(row["user_id"]), _notification(row))
            await self._mark()
            for user_id, count in counts.items():
                if count < EACH or not self._persons.sockets(user_id):
                    del self._asked[user_id]

    async def _waiting(self, people: Sequence[UUID]) -> list[dict[str, Any]]:
        async with self._database.guard("notifications.waiting"):
            return await self._database.query(WAITING, people, EACH)

    async def _mark(self) -> None:
        for statement, changed in ((RETURN, self._unheard), (MARK, self._unmarked)):
            if ids := list(changed):
                async with self._database.guard("notifications.mark"):
                    await self._database.query(statement, [UUID(notification_id) for notification_id in ids])
                changed.difference_update(ids)

    def _expire(self, before: float) -> None:
        # One that is still to be marked would be found again, so it is remembered for as long.
        for user_id, handed in list(self._handed.items()):
            young = {one: how for one, how in handed.items() if how.since >= before or one in self._unmarked}
            if young:
                self._handed[user_id] = young
            else:
                del self._handed[user_id]


def _notification(row: dict[str, Any]) -> Notification:
    return Notification(
        id=str(row["id"]),
        title=row["title"],
        message=row["message"],
        level=row["level"],
        timestamp=row["created_at"],
    )
