"""The people that this node holds, and Redis brought into line with them call by call. Used by presence_redis."""

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

from gateway.errors import Unavailable
from gateway.keys import Room
from gateway.realtime.presence.lease import Lease
from gateway.realtime.presence.presence import Census, LocalPresence, Moved
from gateway.realtime.presence.redis_rooms import Entered, RedisRooms

CHUNK = 200  # people in one step, some 5 ms: Redis does nothing else meanwhile

Report = Callable[[Room, Census], None]


class LocalMembers:
    """What raises Unavailable may have left Redis with something else: then all are to be announced under a new name.

    `hurry` is called when the name of now is not good any more.
    """

    def __init__(
        self, local: LocalPresence, rooms: RedisRooms, lease: Lease, linger: float, hurry: Callable[[], None]
    ) -> None:
        self._local = local
        self._rooms = rooms
        self._lease = lease
        self._linger = linger  # s that a room that holds nobody stays listed
        self._hurry = hurry
        self._idle: dict[Room, float] = {}  # held somebody under the name, and perhaps do not any more; since when
        self._locks: WeakValueDictionary[tuple[Room, str], asyncio.Lock] = WeakValueDictionary()

    async def settle(self, room: Room, who: str) -> Census:
        """Make Redis say of somebody what this node says.

        Calls for one person wait for each other, and each tells what holds by then: the last one is right.
        """
        async with self._locks.setdefault((room, who), asyncio.Lock()):
            if self._local.holds(room, who):
                return (await self._announce(room, [who], came=True)).census
            return await self._retract(room, who)

    async def replace(self, room: Room, before: str, after: str) -> Moved:
        """`settle` for two people in one step."""
        first, second = (self._locks.setdefault((room, who), asyncio.Lock()) for who in sorted((before, after)))
        async with first, second:
            name = await self._register(room)
            other = self._local.holds(room, before)
            moved, entered = await self._rooms.become(name, room, before, after, other=other)
            self._expect(room, entered)
            return moved

    async def announce(self, report: Report) -> None:
        """Tell Redis of everybody anew, under the name of now; `report` hears what the rooms are to be told."""
        for room in self._local.rooms():
            await self._announce_all(room, report)

    async def restore(self, room: Room) -> Census:
        """Make a room that was over one that can be entered, and tell Redis of everybody who is there."""
        await self._rooms.reopen(room)
        await self._announce_all(room, lambda _room, _census: None)
        return (await self._rooms.census(room))._replace(changed=True)

    def forget(self, room: Room) -> None:
        """Nobody is in a room that is over."""
        self._local.forget(room)
        self._idle[room] = asyncio.get_running_loop().time()

    def take_idle(self) -> set[Room]:
        """The rooms in which nobody was for a while and nobody is about to be; they are forgotten here."""
        busy = {room for room, _ in self._locks}
        before = asyncio.get_running_loop().time() - self._linger
        over = {room for room, since in self._idle.items() if since <= before and room not in busy}
        for room in over:
            del self._idle[room]
        idle = {room for room in over if not self._local.people(room)}
        for room in idle:
            self._local.forget(room)
        return idle

    # --- the steps ----------------------------------------------------------------------------------------------------

    async def _announce_all(self, room: Room, report: Report) -> None:
        people = self._local.people(room)
        for start in range(0, len(people), CHUNK):
            chunk = people[start : start + CHUNK]
            entered = await self._announce(room, chunk, came=False)
            report(room, entered.census)
            if entered.over:
                return
            await self._lease.breathe()
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
            self._hurry()
            raise

    def _expect(self, room: Room, entered: Entered) -> None:
        if not entered.alive:
            self._hurry()
            raise Unavailable("redis")
        if entered.over:
            self.forget(room)
