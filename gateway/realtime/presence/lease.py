"""The name under which a node's people are in Redis, while its lease lasts. Used by presence_redis."""

import asyncio
import secrets
from collections.abc import Callable, Collection
from typing import NamedTuple

from gateway import keys
from gateway.errors import Unavailable
from gateway.keys import Room
from gateway.redis.client import RedisClient


class Pulse(NamedTuple):
    """What a heartbeat found."""

    alive: bool  # False: the name is over, or Redis lost some of what it knew of it
    dead: list[str]  # names whose leases have ended


class Lease:
    """A name, its lease, and the list in Redis of the rooms in which it holds somebody.

    A room is on that list before anybody is counted in it, so whoever takes a dead name's people out misses no room.
    The list and the leases are in one slot of a cluster, each room's people in another.
    """

    def __init__(self, redis: RedisClient, node_id: str, lease: float, beat: float) -> None:
        self.name: str | None = None
        self._redis = redis
        self._node_id = node_id
        self._length = round(lease * 1000)
        self._interval = beat
        self._beaten = 0.0
        # The others beat meanwhile, or Redis was away from all of them: then no lease may run out by it.
        self._silence = round(beat * 1500)
        self._rooms: set[Room] = set()  # on the list
        self._lock = asyncio.Lock()  # who changes the list, or compares it
        self._do_beat, self._do_register = redis.script(__package__, "beat"), redis.script(__package__, "register")
        self._do_remember, self._do_bury = redis.script(__package__, "remember"), redis.script(__package__, "bury")

    async def renew(self) -> Pulse:
        """Beat. Raises Unavailable."""
        async with self._lock:
            if self.name is None:
                return Pulse(alive=False, dead=[])
            alive, listed, dead = await self._beat(self.name, new=False)
            self._beaten = asyncio.get_running_loop().time()
            return Pulse(bool(alive) and listed == len(self._rooms), [name for name in dead if name != self.name])

    async def breathe(self) -> None:
        """Beat if it is time to: between two steps of long work, which would cost the lease. Raises Unavailable."""
        now = asyncio.get_running_loop().time()
        if now - self._beaten >= self._interval:
            self._beaten = now
            await self.renew()

    async def take(self) -> str | None:
        """Go on under a new name; the one before is to be given up. Raises Unavailable.

        Redis may have lost it, and somebody may have been counted under it since. So it is put there again: if we fail,
        or die, before its people are taken out, they are found by its lease.
        """
        name = f"{self._node_id}.{secrets.token_hex(4)}"
        async with self._lock:
            if (old := self.name) is not None:
                await self._remember(old, self._rooms)
            await self._beat(name, new=True)
            self.name, self._rooms = name, set()
        return old

    async def register(self, room: Room) -> str:
        """Have a room on the list; the name. Raises Unavailable, also when the lease is over."""
        if self.name is not None and room in self._rooms:
            return self.name
        async with self._lock:
            if self.name is None:
                raise Unavailable("redis")
            if room not in self._rooms:
                async with self._redis.guard("presence"):
                    alive = await self._do_register(
                        keys=_keys(self.name), args=[self.name, room_text(room), self._silence]
                    )
                if not alive:
                    raise Unavailable("redis")
                self._rooms.add(room)
            return self.name

    async def forget(self, rooms: Callable[[], set[Room]]) -> None:
        """Take rooms off the list in which nobody is and nobody is about to be. Raises Unavailable."""
        async with self._lock:
            over = self._rooms & rooms()
            self._rooms -= over  # at once: whoever enters one from here on has it listed again, after this
            if over and self.name is not None:
                async with self._redis.guard("presence"):
                    await self._redis.client.srem(keys.node_rooms(self.name), *map(room_text, over))

    async def end(self, name: str) -> set[Room]:
        """End a lease for good; the rooms that are to be emptied now. Raises Unavailable."""
        client = self._redis.client
        async with self._redis.guard("presence"):
            await client.zadd(keys.nodes(), {name: 0}, xx=True)  # if we die here, others go on
            return set(map(text_room, map(str, await client.smembers(keys.node_rooms(name)))))

    async def bury(self, name: str) -> None:
        """Forget a name whose rooms are empty. Raises Unavailable."""
        async with self._redis.guard("presence"):
            await self._do_bury(keys=[keys.nodes(), keys.node_rooms(name)], args=[name])

    async def _remember(self, name: str, rooms: Collection[Room]) -> None:
        async with self._redis.guard("presence"):
            await self._do_remember(keys=_keys(name), args=[name, self._length, self._silence, *map(room_text, rooms)])

    async def _beat(self, name: str, *, new: bool) -> tuple[int, int, list[str]]:
        async with self._redis.guard("presence"):
            alive, listed, dead = await self._do_beat(
                keys=_keys(name), args=[name, self._length, self._silence, int(new)]
            )
        return alive, listed, dead


def _keys(name: str) -> list[str]:
    return [keys.nodes(), keys.node_rooms(name), keys.nodes_clock()]


def room_text(room: Room) -> str:
    """A room as it is listed."""
    return f"{room.namespace} {room.name}"


def text_room(text: str) -> Room:
    """Its inverse."""
    return Room(*text.split(" ", 1))
