"""Writes the people on this node to Redis, call by call. Used by RedisPresence."""

import asyncio
from collections import Counter
from collections.abc import Callable
from weakref import WeakValueDictionary

import structlog

from gateway.errors import Unavailable
from gateway.keys import Room
from gateway.realtime.presence.lease import Lease
from gateway.realtime.presence.presence import Census, LocalPresence, Moved
from gateway.realtime.presence.redis_rooms import Entered, RedisRooms

log = structlog.get_logger()

CHUNK = 200  # people in one script, which blocks Redis for about 5 ms
CHECKED = 50  # rooms that one heartbeat compares with Redis, about 2 ms; later heartbeats take the others

Report = Callable[[Room, Census], None]


class LocalMembers:
    """Writes this node's people to Redis.

    After a method has raised Unavailable, Redis may disagree with this node: then all must be announced under a new
    name. `wake` is called when the current name is no longer valid.
    """

    def __init__(
        self, local: LocalPresence, rooms: RedisRooms, lease: Lease, linger: float, wake: Callable[[], None]
    ) -> None:
        self._local = local
        self._rooms = rooms
        self._lease = lease
        self._linger = linger  # s for which an empty room stays listed
        self._wake = wake
        self._idle: dict[Room, float] = {}  # rooms that may be empty on this node, and since when
        self._unchecked: list[Room] = []  # in this round of comparing all rooms with Redis
        self._locks: WeakValueDictionary[tuple[Room, str], asyncio.Lock] = WeakValueDictionary()

    async def settle(self, room: Room, who: str) -> Census:
        """Write to Redis whether a person is in a room on this node.

        Calls for one person run one at a time, and each writes the state at its own time: the last one is right.
        """
        async with self._locks.setdefault((room, who), asyncio.Lock()):
            if self._local.holds(room, who):
                return (await self._announce(room, [who], came=True)).census
            return await self._retract(room, who)

    async def move(self, room: Room, before: str, after: str) -> Moved:
        """Replace one person by another in a single step; like `settle` for both."""
        first, second = (self._locks.setdefault((room, who), asyncio.Lock()) for who in sorted((before, after)))
        async with first, second:
            name = await self._register(room)
            other = self._local.holds(room, before)
            moved, entered = await self._rooms.move(name, room, before, after, other=other)
            self._expect(room, entered)
            return moved

    async def announce(self, report: Report) -> None:
        """Write everybody to Redis under the current name; call `report` with the census of each room."""
        for room in self._local.rooms():
            await self._announce_all(room, report)

    async def check(self, report: Report) -> None:
        """Compare the next CHECKED rooms with Redis, and restore what was evicted or lost there."""
        name = self._lease.name
        if not self._unchecked:
            self._unchecked = self._local.rooms()
        rooms, self._unchecked = self._unchecked[-CHECKED:], self._unchecked[:-CHECKED]
        if name is None or not rooms:
            return
        pending, before = self._pending(), [self._local.count(room) for room in rooms]
        checked = await self._rooms.check(name, rooms)
        pending += self._pending()
        for room, earlier, (census, stored) in zip(rooms, before, checked, strict=True):
            report(room, census)
            count = self._local.count(room)
            # People who entered or left in between may be in only one of the two numbers.
            if stored >= 0 and abs(stored - count) > pending[room] + abs(count - earlier):
                log.warning("redis lost people of a room", room=room, held=count, found=stored)
                await self._rooms.recount(name, room)
                await self._announce_all(room, report)

    async def restore(self, room: Room) -> Census:
        """Reopen a room that was closed, and write everybody in it to Redis."""
        await self._rooms.reopen(room)
        await self._announce_all(room, lambda _room, _census: None)
        return (await self._rooms.census(room))._replace(changed=True)

    def forget(self, room: Room) -> None:
        """Remove everybody from a room that was closed."""
        self._local.forget(room)
        self._idle[room] = asyncio.get_running_loop().time()

    def take_idle(self) -> set[Room]:
        """Forget and return the rooms that have been empty for `linger` s and that nobody is entering."""
        busy = {room for room, _ in self._locks}
        before = asyncio.get_running_loop().time() - self._linger
        over = {room for room, since in self._idle.items() if since <= before and room not in busy}
        for room in over:
            del self._idle[room]
        idle = {room for room in over if not self._local.people(room)}
        for room in idle:
            self._local.forget(room)
        return idle

    # --- steps --------------------------------------------------------------------------------------------------------

    def _pending(self) -> Counter[Room]:
        """Return the number of unanswered calls of each room."""
        return Counter(room for room, _ in self._locks)

    async def _announce_all(self, room: Room, report: Report) -> None:
        people = self._local.people(room)
        for start in range(0, len(people), CHUNK):
            chunk = people[start : start + CHUNK]
            entered = await self._announce(room, chunk, came=False)
            report(room, entered.census)
            if entered.over:
                return
            await self._lease.renew_if_due()
            for who in chunk:
                if not self._local.holds(room, who):  # left while they were announced
                    await self.settle(room, who)

    async def _announce(self, room: Room, people: list[str], *, came: bool) -> Entered:
        name = await self._register(room)
        entered = await self._rooms.enter(name, room, people, came=came)
        self._expect(room, entered)
        return entered

    async def _retract(self, room: Room, who: str) -> Census:
        name = self._lease.name
        if name is None:
            raise Unavailable("redis")
        census, left = await self._rooms.leave(name, room, who)
        if not left:
            self._idle[room] = asyncio.get_running_loop().time()
        return census

    async def _register(self, room: Room) -> str:
        try:
            return await self._lease.register(room)
        except Unavailable:
            self._wake()
            raise

    def _expect(self, room: Room, entered: Entered) -> None:
        if not entered.alive:
            self._wake()
            raise Unavailable("redis")
        if entered.over:
            self.forget(room)
