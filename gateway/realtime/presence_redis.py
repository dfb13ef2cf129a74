"""Presence over all nodes in Redis: counted once a person, and healed when a node dies. Used by services."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from weakref import WeakValueDictionary

import structlog

from gateway.connections.redis import Redis
from gateway.errors import Unavailable
from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.realtime.presence import INTERVAL, Callback, Census, LocalPresence, Moved, Turn
from gateway.realtime.presence_lease import Lease
from gateway.realtime.presence_rooms import Entered, PresenceRooms

log = structlog.get_logger()

LEASE = 3.0  # s a node is believed to live after a beat: three may be missed
BEAT = 0.75  # s
LINGER = 5.0  # s a room that holds nobody stays listed: what was changed last may not have been told yet
CHUNK = 200  # people in one step, some 5 ms: Redis does nothing else meanwhile
CLOSING = 2.0  # s to take out one's own people; else the other nodes do


class RedisPresence:
    """See Presence. While Redis is away, the counts are those of this node alone.

    This node's people are in Redis under a name that lives as long as its lease. Whenever what is there may be wrong (a
    call failed, the lease ran out, Redis came back empty), they are announced under a new name and the old one is
    given up: adding what is there and dropping what was is right whatever had happened.
    """

    def __init__(
        self,
        redis: Redis,
        node_id: str,
        metrics: Metrics,
        *,
        beats: Redis | None = None,
        lease: float = LEASE,
        beat: float = BEAT,
        linger: float = LINGER,
        interval: float = INTERVAL,
    ) -> None:
        self._rooms = PresenceRooms(redis)
        self._metrics = metrics
        # With connections of its own, or a storm of people who come would have it wait until the node counts as dead.
        self._lease = Lease(beats or redis, node_id, lease, beat)
        self._beat = beat
        self._linger = linger
        self._interval = interval
        self._beaten = 0.0
        self._hurry = asyncio.Event()
        self._wrong = False  # what is in Redis under our name
        self._idle: dict[Room, float] = {}  # held somebody under it, and perhaps do not any more; since when
        self._ending: set[Room] = set()  # over, which Redis has not been told
        self._local = LocalPresence(interval)
        self._locks: WeakValueDictionary[tuple[Room, str], asyncio.Lock] = WeakValueDictionary()
        self._callbacks: list[Callback] = []
        self._news: dict[Room, Census] = {}
        self._has_news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take a name and begin to beat; Redis being away is no failure."""
        with suppress(Unavailable):
            await self._pulse()
        self._tasks = [
            asyncio.create_task(self._run(), name="presence-beat"),
            asyncio.create_task(self._tell(), name="presence-news"),
        ]

    async def close(self) -> None:
        """Stop, and take this node's people out of the counts."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        name, self._lease.name = self._lease.name, None
        if name is not None:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(CLOSING):
                    await self._give_up(name)

    # --- people -----------------------------------------------------------------------------------------------------

    async def enter(self, room: Room, who: str) -> Census:
        """See Presence."""
        alone = self._local.add(room, who)
        try:
            return await self._settle(room, who) or alone
        except BaseException:
            # The caller does not know that the socket is in, and will not take it out.
            self._local.remove(room, who)
            self._wrong = True
            raise

    async def leave(self, room: Room, who: str) -> Census:
        """See Presence."""
        alone = self._local.remove(room, who)
        try:
            return await self._settle(room, who) or alone
        except BaseException:
            self._wrong = True
            raise

    async def become(self, room: Room, before: str, after: str) -> Moved:
        """See Presence."""
        if not self._local.holds(room, before):
            return Moved(await self.census(room), came=False, gone=False)
        alone = self._local.swap(room, before, after)
        try:
            return await self._replace(room, before, after) or alone
        except BaseException:
            self._wrong = True
            raise

    async def census(self, room: Room) -> Census:
        """See Presence."""
        try:
            return await self._rooms.census(room)
        except Unavailable:
            return await self._local.census(room)

    async def end(self, room: Room) -> Census:
        """See Presence."""
        self._forget(room)
        self._ending.add(room)
        try:
            census = await self._rooms.end(self._lease.name, room)
        except Unavailable:
            return await self._local.census(room)
        self._ending.discard(room)
        return census

    async def turn(self, room: Room) -> Turn:
        """See Presence. While Redis is away, each node tells its own people."""
        try:
            return await self._rooms.turn(room, self._interval)
        except Unavailable:
            turn = await self._local.turn(room)
            await self._local.told(room, turn)
            return turn._replace(change=0)

    async def told(self, room: Room, turn: Turn) -> bool:
        """See Presence."""
        try:
            return turn.change > 0 and await self._rooms.told(room, turn)
        except Unavailable:
            return False  # as it comes back, everything is told anew

    def rooms(self) -> list[Room]:
        """See Presence."""
        return self._local.rooms()

    def on_change(self, callback: Callback) -> None:
        """See Presence."""
        self._callbacks.append(callback)

    async def _settle(self, room: Room, who: str) -> Census | None:
        """Make Redis say of somebody what this node says; None while it is away.

        Calls for one person wait for each other, and each tells what holds by then: the last one is right.
        """
        lock = self._locks.setdefault((room, who), asyncio.Lock())
        async with lock:
            try:
                if self._local.holds(room, who):
                    return (await self._announce(room, [who], came=True)).census
                return await self._retract(room, who)
            except Unavailable:
                self._wrong = True
                self._metrics.presence_degraded.set(1)
                return None

    async def _replace(self, room: Room, before: str, after: str) -> Moved | None:
        """`_settle` for two people in one step."""
        first, second = (self._locks.setdefault((room, who), asyncio.Lock()) for who in sorted((before, after)))
        async with first, second:
            try:
                return await self._move(room, before, after)
            except Unavailable:
                self._wrong = True
                self._metrics.presence_degraded.set(1)
                return None

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

    async def _move(self, room: Room, before: str, after: str) -> Moved:
        name = await self._register(room)
        other = self._local.holds(room, before)
        moved, entered = await self._rooms.become(name, room, before, after, other=other)
        self._expect(room, entered)
        return moved

    async def _register(self, room: Room) -> str:
        try:
            return await self._lease.register(room)
        except Unavailable:
            self._hurry.set()
            raise

    def _expect(self, room: Room, entered: Entered) -> None:
        if not entered.alive:
            self._hurry.set()
            raise Unavailable("redis")
        if entered.over:
            self._forget(room)

    def _forget(self, room: Room) -> None:
        self._local.forget(room)
        self._idle[room] = asyncio.get_running_loop().time()

    # --- nodes ------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = self._beat
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
            self._hurry.clear()
            pause = self._beat
            try:
                await self._pulse()
            except Unavailable:
                pause = self._beat / 3  # when it is back, the leases go on to run out
                self._wrong = True  # a server that comes back, or another in its place, may have lost something
                log.debug("no heartbeat: redis is away")
            except Exception:
                log.exception("the heartbeat failed")

    async def _pulse(self) -> None:
        alive, dead = await self._lease.renew()
        self._beaten = asyncio.get_running_loop().time()
        if not alive or self._wrong:
            await self._begin_anew()
        else:
            await self._lease.forget(self._take_idle)
        self._metrics.presence_degraded.set(0)
        for room in list(self._ending):
            self._report(room, await self._rooms.end(self._lease.name, room))
            self._ending.discard(room)
        for name in dead:
            self._metrics.presence_buried.inc()
            await self._give_up(name)

    async def _breathe(self) -> None:
        """Beat during long work, which would cost the lease."""
        now = asyncio.get_running_loop().time()
        if now - self._beaten >= self._beat:
            self._beaten = now
            await self._lease.renew()

    async def _begin_anew(self) -> None:
        self._wrong = False  # from here on: what fails during this makes it so again
        try:
            old, rooms = await self._lease.take()
            self._metrics.presence_renamed.inc()
            for room in self._local.rooms():
                await self._announce_all(room)
            if old is not None:
                await self._give_up(old, rooms)
        except Unavailable:
            self._wrong = True
            raise

    def _take_idle(self) -> set[Room]:
        busy = {room for room, _ in self._locks}
        before = asyncio.get_running_loop().time() - self._linger
        over = {room for room, since in self._idle.items() if since <= before and room not in busy}
        for room in over:
            del self._idle[room]
        idle = {room for room in over if not self._local.people(room)}
        for room in idle:
            self._local.forget(room)
        return idle

    async def _announce_all(self, room: Room) -> None:
        people = self._local.people(room)
        for start in range(0, len(people), CHUNK):
            chunk = people[start : start + CHUNK]
            entered = await self._announce(room, chunk, came=False)
            self._report(room, entered.census)
            if entered.over:
                return
            await self._breathe()
            for who in chunk:
                if not self._local.holds(room, who):  # left while they were announced
                    await self._settle(room, who)

    async def _give_up(self, name: str, known: Collection[Room] = ()) -> None:
        """Take out the people of a dead node, or of a name that is not used any more. Any node may, at any time."""
        for room in await self._lease.end(name, known):
            left = 1
            while left:
                census, left = await self._rooms.reap(name, room, CHUNK)
                self._report(room, census)
                await self._breathe()
        await self._lease.bury(name)

    # --- news -------------------------------------------------------------------------------------------------------

    def _report(self, room: Room, census: Census) -> None:
        if census.changed:
            self._news[room] = census
            self._has_news.set()

    async def _tell(self) -> None:
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            while self._news:
                room = next(iter(self._news))
                census = self._news.pop(room)
                for callback in self._callbacks:
                    try:
                        await callback(room, census)
                    except Exception:
                        log.exception("a change of presence could not be told", room=room)
