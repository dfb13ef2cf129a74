"""Presence over all nodes in Redis: counted once a person, and healed when a node dies. Used by services."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from weakref import WeakValueDictionary

import structlog

from gateway import keys
from gateway.connections.redis import Redis
from gateway.errors import Unavailable
from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.realtime import presence_scripts as scripts
from gateway.realtime.presence import Callback, Census, LocalPresence, Moved
from gateway.realtime.presence_lease import Lease

log = structlog.get_logger()

LEASE = 6.0  # s a node is believed to live after a beat: three may be missed
BEAT = 1.5  # s
CHUNK = 500  # people in one step: Redis does nothing else meanwhile
CLOSING = 2.0  # s to take out one's own people; else the other nodes do


class RedisPresence:
    """See Presence. While Redis is away, the counts are those of this node alone.

    This node's people are in Redis under a name that lives as long as its lease. Whenever what is there may be wrong (a
    call failed, the lease ran out, Redis came back empty), they are announced under a new name and the old one is
    given up: adding what is there and dropping what was is right whatever had happened.
    """

    def __init__(
        self, redis: Redis, node_id: str, metrics: Metrics, *, lease: float = LEASE, beat: float = BEAT
    ) -> None:
        self._redis = redis
        self._metrics = metrics
        self._lease = Lease(redis, node_id, lease, beat)
        self._beat = beat
        self._hurry = asyncio.Event()
        self._wrong = False  # what is in Redis under our name
        self._idle: set[Room] = set()  # held somebody under it, and perhaps do not any more
        self._local = LocalPresence()
        self._locks: WeakValueDictionary[tuple[Room, str], asyncio.Lock] = WeakValueDictionary()
        self._callbacks: list[Callback] = []
        self._news: dict[Room, Census] = {}
        self._has_news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        script = redis.client.register_script
        self._do_enter, self._do_leave = script(scripts.ENTER), script(scripts.LEAVE)
        self._do_become, self._do_reap = script(scripts.BECOME), script(scripts.REAP)

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
        alone = self._local.swap(room, before, after)
        try:
            return await self._replace(room, before, after) or alone
        except BaseException:
            self._wrong = True
            raise

    async def census(self, room: Room) -> Census:
        """See Presence."""
        try:
            async with self._redis.guard("presence"):
                count = int(await self._redis.client.hlen(keys.presence(room)))
                peak = int(await self._redis.client.get(keys.presence_peak(room)) or 0)
                return Census(count, peak, changed=False)
        except Unavailable:
            return await self._local.census(room)

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
                    return await self._announce(room, [who], record=True)
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

    async def _announce(self, room: Room, people: list[str], *, record: bool) -> Census:
        name = await self._register(room)
        async with self._redis.guard("presence"):
            count, peak, changed, alive = await self._do_enter(keys=_keys(name, room), args=[int(record), *people])
        self._expect(alive)
        return Census(count, peak, bool(changed))

    async def _retract(self, room: Room, who: str) -> Census:
        name = self._lease.name
        if name is None:
            raise Unavailable("redis")
        async with self._redis.guard("presence"):
            count, peak, changed, left = await self._do_leave(keys=_keys(name, room), args=[who])
        if not left:
            self._idle.add(room)
        return Census(count, peak, bool(changed))

    async def _move(self, room: Room, before: str, after: str) -> Moved:
        name = await self._register(room)
        other = int(self._local.holds(room, before))
        async with self._redis.guard("presence"):
            count, peak, changed, alive, came, gone = await self._do_become(
                keys=_keys(name, room), args=[before, after, other]
            )
        self._expect(alive)
        return Moved(Census(count, peak, bool(changed)), bool(came), bool(gone))

    async def _register(self, room: Room) -> str:
        try:
            return await self._lease.register(room)
        except Unavailable:
            self._hurry.set()
            raise

    def _expect(self, alive: int) -> None:
        if not alive:
            self._hurry.set()
            raise Unavailable("redis")

    # --- nodes ------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._beat):
                    await self._hurry.wait()
            self._hurry.clear()
            try:
                await self._pulse()
            except Unavailable:
                self._wrong = True  # a server that comes back, or another in its place, may have lost something
                log.debug("no heartbeat: redis is away")
            except Exception:
                log.exception("the heartbeat failed")

    async def _pulse(self) -> None:
        alive, dead = await self._lease.renew()
        if not alive or self._wrong:
            await self._begin_anew()
        else:
            await self._lease.forget(self._take_idle)
        self._metrics.presence_degraded.set(0)
        for name in dead:
            await self._give_up(name)

    async def _begin_anew(self) -> None:
        self._wrong = False  # from here on: what fails during this makes it so again
        try:
            old, rooms = await self._lease.take()
            for room in self._local.rooms():
                await self._announce_all(room)
            if old is not None:
                await self._give_up(old, rooms)
        except Unavailable:
            self._wrong = True
            raise

    def _take_idle(self) -> set[Room]:
        busy = {room for room, _ in self._locks}
        idle = {room for room in self._idle - busy if not self._local.people(room)}
        self._idle &= busy
        return idle

    async def _announce_all(self, room: Room) -> None:
        people = self._local.people(room)
        for start in range(0, len(people), CHUNK):
            chunk = people[start : start + CHUNK]
            census = await self._announce(room, chunk, record=False)
            self._report(room, census)
            for who in chunk:
                if not self._local.holds(room, who):  # left while they were announced
                    await self._settle(room, who)

    async def _give_up(self, name: str, known: Collection[Room] = ()) -> None:
        """Take out the people of a dead node, or of a name that is not used any more. Any node may, at any time."""
        for room in await self._lease.end(name, known):
            left = 1
            while left:
                async with self._redis.guard("presence"):
                    count, peak, changed, left = await self._do_reap(keys=_keys(name, room), args=[CHUNK])
                self._report(room, Census(count, peak, bool(changed)))
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


def _keys(name: str, room: Room) -> list[str]:
    return [
        keys.presence(room), keys.presence_peak(room), keys.node_presence(name, room), keys.node_buried(name, room)
    ]  # fmt: skip
