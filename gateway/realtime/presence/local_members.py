"""Writes the people on this node to Redis, concurrent calls in batches. Used by RedisPresence."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from gateway.concurrency.batcher import Batcher
from gateway.errors import Unavailable
from gateway.keys import Room
from gateway.realtime.presence.lease import Lease
from gateway.realtime.presence.presence import Census, LocalPresence, Moved
from gateway.realtime.presence.redis_rooms import Change, Changed, Entered, RedisRooms

log = structlog.get_logger()

CHUNK = 200  # people in one script, which blocks Redis for about 5 ms
WAITING = 100_000  # calls without an answer: more than a node has sockets
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
        self._pending: Counter[Room] = Counter()  # calls that are not answered, and people in the current batch
        self._writing = asyncio.Lock()  # one write at a time, so that the last one of a person has the last state
        self._calls: Batcher[tuple[Room, str], Census] = Batcher(
            "redis", self._write, most=CHUNK, waiting=WAITING, unavailable=Unavailable
        )

    async def write(self, room: Room, who: str) -> Census:
        """Write to Redis whether a person is in a room on this node.

        Concurrent calls share a round trip. The state is that at the time of the write: the last write is right.
        """
        with self._counted([room]):
            return await self._calls.call((room, who))

    async def _write(self, asks: list[tuple[Room, str]]) -> list[Census | Unavailable]:
        with self._counted([room for room, _ in asks]):
            async with self._writing:
                changes: dict[Room, Change] = {}
                for room, who in dict.fromkeys(asks):
                    change = changes.setdefault(room, Change([], []))
                    (change.entered if self._local.holds(room, who) else change.left).append(who)
                entered = [room for room, change in changes.items() if change.entered]
                name = await self._register(entered) if entered else self._lease.name
                if name is None:
                    raise Unavailable("redis")
                changed = await self._rooms.change(name, changes)
        for room, result in changed.items():
            self._note(room, result)
        answers: list[Census | Unavailable] = []
        for room, who in asks:
            result = changed[room]
            if isinstance(result, Unavailable) or (_dead(result) and who in changes[room].entered):
                answers.append(Unavailable("redis"))
            else:
                answers.append(result.each[who])
                result.each[who] = result.each[who]._replace(changed=False)  # for another socket of the same person
        return answers

    async def move(self, room: Room, before: str, after: str) -> Moved:
        """Replace one person by another in a single step; like `write` for both."""
        with self._counted([room]):
            async with self._writing:
                name = await self._register([room])
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
        pending, before = self._pending.copy(), [self._local.count(room) for room in rooms]
        checked = await self._rooms.check(name, rooms)
        pending += self._pending
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
        before = asyncio.get_running_loop().time() - self._linger
        over = {room for room, since in self._idle.items() if since <= before and room not in self._pending}
        for room in over:
            del self._idle[room]
        idle = {room for room in over if not self._local.people(room)}
        for room in idle:
            self._local.forget(room)
        return idle

    # --- steps --------------------------------------------------------------------------------------------------------

    @contextmanager
    def _counted(self, rooms: list[Room]) -> Iterator[None]:
        """Count calls as pending during the block."""
        self._pending.update(rooms)
        try:
            yield
        finally:
            for room in rooms:
                self._pending[room] -= 1
                if not self._pending[room]:
                    del self._pending[room]

    def _note(self, room: Room, changed: Changed | Unavailable) -> None:
        if isinstance(changed, Unavailable):
            return
        if changed.remaining == 0 and changed.entered is None:
            self._idle[room] = asyncio.get_running_loop().time()
        if _dead(changed):
            self._wake()
        elif changed.entered is not None and changed.entered.over:
            self.forget(room)

    async def _announce_all(self, room: Room, report: Report) -> None:
        people = self._local.people(room)
        for start in range(0, len(people), CHUNK):
            chunk = people[start : start + CHUNK]
            name = await self._register([room])
            entered = await self._rooms.announce(name, room, chunk)
            self._expect(room, entered)
            report(room, entered.census)
            if entered.over:
                return
            await self._lease.renew_if_due()
            for who in chunk:
                if not self._local.holds(room, who):  # left while they were announced
                    await self.write(room, who)

    async def _register(self, rooms: list[Room]) -> str:
        try:
            return await self._lease.register(rooms)
        except Unavailable:
            self._wake()
            raise

    def _expect(self, room: Room, entered: Entered) -> None:
        if not entered.alive:
            self._wake()
            raise Unavailable("redis")
        if entered.over:
            self.forget(room)


def _dead(changed: Changed) -> bool:
    """Whether the name's lease has ended in the room, so that nobody was added."""
    return changed.entered is not None and not changed.entered.alive
