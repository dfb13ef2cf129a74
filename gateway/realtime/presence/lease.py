"""The name under which a node's people are stored in Redis, and its lease. Used by RedisPresence."""

import asyncio
import secrets
from collections.abc import Callable, Collection
from typing import NamedTuple

from gateway import keys
from gateway.errors import Unavailable
from gateway.keys import Room
from gateway.redis.client import RedisClient


class HeartbeatResult(NamedTuple):
    """The result of a heartbeat."""

    alive: bool  # False if the lease has ended, or Redis has lost data of it
    dead: list[str]  # names of other nodes whose leases have ended


class Lease:
    """A name, its lease, and the list in Redis of the rooms in which it has people.

    A room is listed before anybody is counted in it, so that the people of a dead name can be found in all rooms.
    The list and the leases are in one slot of a cluster; the people of each room are in another.
    """

    def __init__(self, redis: RedisClient, node_id: str, lease: float, beat: float) -> None:
        self.name: str | None = None
        self._redis = redis
        self._node_id = node_id
        self._length = round(lease * 1000)
        self._interval = beat
        self._beaten = 0.0  # when the last heartbeat was sent
        # ms without a heartbeat of any node that count as served time: longer gaps mean that Redis was unavailable.
        self._silence = round(beat * 1500)
        self._rooms: set[Room] = set()  # on the list
        self._lock = asyncio.Lock()  # held while the list is changed or compared
        self._do_beat, self._do_register = redis.script(__package__, "beat"), redis.script(__package__, "register")
        self._do_remember, self._do_delete = redis.script(__package__, "remember"), redis.script(__package__, "delete")

    async def renew(self) -> HeartbeatResult:
        """Send a heartbeat. Raises Unavailable."""
        async with self._lock:
            if self.name is None:
                return HeartbeatResult(alive=False, dead=[])
            alive, listed, dead = await self._beat(self.name, new=False)
            self._beaten = asyncio.get_running_loop().time()
            return HeartbeatResult(
                bool(alive) and listed == len(self._rooms), [name for name in dead if name != self.name]
            )

    async def renew_if_due(self) -> None:
        """Send a heartbeat if it is time for one. Call it between steps of long work. Raises Unavailable."""
        now = asyncio.get_running_loop().time()
        if now - self._beaten >= self._interval:
            self._beaten = now
            await self.renew()

    async def take(self) -> str | None:
        """Continue under a new name; return the previous one, whose people must be removed. Raises Unavailable.

        Redis may have lost the previous name, and people may have been counted under it since. So it is stored again:
        if this node fails before they are removed, other nodes find them by its lease.
        """
        name = f"{self._node_id}.{secrets.token_hex(4)}"
        async with self._lock:
            if (old := self.name) is not None:
                await self._remember(old, self._rooms)
            await self._beat(name, new=True)
            self.name, self._rooms = name, set()
        return old

    async def register(self, rooms: Collection[Room]) -> str:
        """Add rooms to the list and return the name. Raises Unavailable, also if the lease has ended."""
        if self.name is not None and self._rooms.issuperset(rooms):
            return self.name
        async with self._lock:
            if self.name is None:
                raise Unavailable("redis")
            if new := [room for room in rooms if room not in self._rooms]:
                async with self._redis.guard("presence"):
                    alive = await self._do_register(
                        keys=_keys(self.name), args=[self.name, self._silence, *map(room_text, new)]
                    )
                if not alive:
                    raise Unavailable("redis")
                self._rooms.update(new)
            return self.name

    async def forget(self, rooms: Callable[[], set[Room]]) -> None:
        """Remove the rooms that `rooms()` returns, which must be empty, from the list. Raises Unavailable."""
        async with self._lock:
            over = self._rooms & rooms()
            self._rooms -= over  # before the await: somebody who enters one in between lists it again after this
            if over and self.name is not None:
                async with self._redis.guard("presence"):
                    await self._redis.client.srem(keys.node_rooms(self.name), *map(room_text, over))

    async def end(self, name: str) -> set[Room]:
        """End a lease; return the rooms from which its people must be removed. Raises Unavailable."""
        client = self._redis.client
        async with self._redis.guard("presence"):
            await client.zadd(keys.nodes(), {name: 0}, xx=True)  # other nodes continue if this one dies here
            return set(map(text_room, map(str, await client.smembers(keys.node_rooms(name)))))

    async def delete(self, name: str) -> None:
        """Delete a name whose people were removed from all rooms. Raises Unavailable."""
        async with self._redis.guard("presence"):
            await self._do_delete(keys=[keys.nodes(), keys.node_rooms(name)], args=[name])

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
    """Encode a room for the list."""
    return f"{room.namespace} {room.name}"


def text_room(text: str) -> Room:
    """Decode a room of the list."""
    return Room(*text.split(" ", 1))
