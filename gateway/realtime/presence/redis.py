"""Presence over all nodes in Redis: counts each person once, and removes the people of dead nodes. Used by services."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import TypeVar

import structlog

from gateway.concurrency.tasks import cancel
from gateway.errors import Unavailable
from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.realtime.presence.changes import PresenceChanges
from gateway.realtime.presence.lease import Lease
from gateway.realtime.presence.local_members import CHUNK, LocalMembers
from gateway.realtime.presence.presence import INTERVAL, Callback, Census, LocalPresence, Moved, PublishPermit
from gateway.realtime.presence.redis_rooms import RedisRooms
from gateway.redis.client import RedisClient

log = structlog.get_logger()

LEASE = 3.0  # s after a heartbeat until a node counts as dead: three may be missed
BEAT = 0.75  # s between two heartbeats
LINGER = 5.0  # s for which an empty room stays listed: its last change may not be published yet
CLOSING = 2.0  # s for this node to remove its people when it stops; after that other nodes do

T = TypeVar("T")


class RedisPresence:
    """Presence over Redis. See Presence. While Redis is unavailable, counts are those of this node.

    This node's people are in Redis under a name with a lease. Whenever Redis may be wrong (a call failed, the lease
    ended, Redis lost its data), they are added under a new name and those of the old name are removed. That is correct
    in every such case.
    """

    def __init__(
        self,
        redis: RedisClient,
        node_id: str,
        metrics: Metrics,
        *,
        heartbeats: RedisClient | None = None,
        lease: float = LEASE,
        beat: float = BEAT,
        linger: float = LINGER,
        interval: float = INTERVAL,
    ) -> None:
        self._rooms = RedisRooms(redis)
        self._metrics = metrics
        # Connections of its own: during a storm of joins a heartbeat could wait until the node counts as dead.
        self._lease = Lease(heartbeats or redis, node_id, lease, beat)
        self._beat = beat
        self._interval = interval
        self._wake = asyncio.Event()
        self._wrong = False  # Redis may disagree with this node
        self._ending: set[Room] = set()  # rooms that are closed here, but not in Redis yet
        self._local = LocalPresence(interval)
        self._members = LocalMembers(self._local, self._rooms, self._lease, linger, self._wake.set)
        self._changes = PresenceChanges()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take a name and start the heartbeat. An unavailable Redis is no error."""
        with suppress(Unavailable):
            await self._send_heartbeat()
        self._tasks = [
            asyncio.create_task(self._run(), name="presence-beat"),
            asyncio.create_task(self._changes.run(), name="presence-changes"),
        ]

    async def close(self) -> None:
        """Stop, and remove this node's people from the counts."""
        await cancel(*self._tasks)
        name, self._lease.name = self._lease.name, None
        if name is not None:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(CLOSING):
                    await self._remove_people(name)

    # --- people -----------------------------------------------------------------------------------------------------

    async def enter(self, room: Room, who: str) -> Census:
        """See Presence."""
        if room in self._ending:
            return await self._local.census(room)
        local = self._local.add(room, who)
        try:
            return await self._unless_unavailable(self._members.write(room, who)) or local
        except BaseException:
            # The call failed, so the caller will not remove the socket.
            self._local.remove(room, who)
            self._wrong = True
            raise

    async def leave(self, room: Room, who: str) -> Census:
        """See Presence."""
        local = self._local.remove(room, who)
        try:
            return await self._unless_unavailable(self._members.write(room, who)) or local
        except BaseException:
            self._wrong = True
            raise

    async def move(self, room: Room, before: str, after: str) -> Moved:
        """See Presence."""
        if not self._local.holds(room, before):
            return Moved(await self.census(room), came=False, gone=False)
        local = self._local.swap(room, before, after)
        try:
            return await self._unless_unavailable(self._members.move(room, before, after)) or local
        except BaseException:
            self._wrong = True
            raise

    async def census(self, room: Room) -> Census:
        """See Presence."""
        try:
            return await self._rooms.census(room)
        except Unavailable:
            return await self._local.census(room)

    async def people_of(self, room: Room, most: int) -> list[str]:
        """See Presence."""
        try:
            return await self._rooms.people_of(room, most)
        except Unavailable:
            return await self._local.people_of(room, most)

    async def end(self, room: Room) -> Census:
        """See Presence."""
        self._members.forget(room)
        self._ending.add(room)
        try:
            census = await self._rooms.end(self._lease.name, room)
        except Unavailable:
            return await self._local.census(room)
        self._ending.discard(room)
        return census

    async def restore(self, room: Room, people: Sequence[str]) -> Census:
        """See Presence."""
        self._ending.discard(room)
        local = self._local.replace(room, people)
        try:
            return await self._unless_unavailable(self._members.restore(room)) or local
        except BaseException:
            self._wrong = True
            raise

    async def claim_permit(self, room: Room) -> PublishPermit:
        """See Presence. While Redis is unavailable, each node publishes its own count."""
        try:
            return await self._rooms.claim_permit(room, self._interval)
        except Unavailable:
            permit = await self._local.claim_permit(room)
            if permit.census is not None:
                await self._local.published(room, permit)
            return permit._replace(change=0)

    async def published(self, room: Room, permit: PublishPermit) -> bool:
        """See Presence."""
        try:
            return permit.change > 0 and await self._rooms.published(room, permit)
        except Unavailable:
            return False  # everything is published again when Redis is back

    def rooms(self) -> list[Room]:
        """See Presence."""
        return self._local.rooms()

    def on_change(self, callback: Callback) -> None:
        """See Presence."""
        self._changes.on_change(callback)

    async def _unless_unavailable(self, call: Awaitable[T]) -> T | None:
        """Return the result of a call; None while Redis is unavailable."""
        try:
            return await call
        except Unavailable:
            self._wrong = True
            self._metrics.presence_degraded.set(1)
            return None

    # --- nodes ------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = self._beat
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            pause = self._beat
            try:
                await self._send_heartbeat()
            except Unavailable:
                pause = self._beat / 3  # leases continue to expire as soon as Redis is back
                self._wrong = True  # the server, or its replacement, may have lost data
                log.debug("heartbeat failed: redis unavailable")
            except Exception:
                log.exception("heartbeat failed")

    async def _send_heartbeat(self) -> None:
        alive, dead = await self._lease.renew()
        if not alive or self._wrong:
            await self._take_new_name()
        else:
            await self._lease.forget(self._members.take_idle)
            await self._members.check(self._changes.report)
        self._metrics.presence_degraded.set(0)
        for room in list(self._ending):
            self._changes.report(room, await self._rooms.end(self._lease.name, room))
            self._ending.discard(room)
        for name in dead:
            self._metrics.presence_buried.inc()
            await self._remove_people(name)

    async def _take_new_name(self) -> None:
        self._wrong = False  # before the awaits: a call that fails in between sets it again
        try:
            old = await self._lease.take()
            self._metrics.presence_renamed.inc()
            await self._members.announce(self._changes.report)
            if old is not None:
                await self._remove_people(old)
        except BaseException:
            self._wrong = True
            raise

    async def _remove_people(self, name: str) -> None:
        """Remove the people of a dead node or a former name from all rooms. Any node may do so at any time."""
        for room in await self._lease.end(name):
            left = 1
            while left:
                census, left = await self._rooms.reap(name, room, CHUNK)
                self._changes.report(room, census)
                await self._lease.renew_if_due()
        await self._lease.delete(name)
