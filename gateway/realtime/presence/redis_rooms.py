"""The people of one room in Redis: each method is one step there, under the name of a node. Used by presence_redis.

A node writes under a name of its own, whose lease it renews. A name whose lease has ended is never renewed and gets no
further room; in each room that it is taken out of there is a mark, and nothing is written under it there any more. So
anybody may take out what it holds, in any number of steps, without racing against its node. And as each step touches
either the leases or one room, all its keys are in one slot of a cluster.

Leases are counted in served time: the time of Redis, in which a silence of all nodes is no longer than `most`. While
Redis hangs or is away nobody can beat, so nobody's lease may run out.

Each change of a room's number of people adds one to `changes` of its news; `told` is up to where the room was told.
"""

from typing import NamedTuple

from gateway import keys
from gateway.keys import Room
from gateway.realtime.presence.presence import INTERVAL, Census, Moved, PublishSlot
from gateway.redis.client import RedisClient

TELLING = 50  # ms that the publishing of a slot is waited for when the first comes or the last goes
OVER = 2


class Entered(NamedTuple):
    """What became of people who were put into a room."""

    census: Census
    alive: bool  # False: the name was buried there, and they are not in
    over: bool  # nobody is in the room any more; they are not in


class RedisRooms:
    """Raises Unavailable while Redis is away. Whatever is repeated, or done late, is right."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._enter, self._leave = redis.script(__package__, "enter"), redis.script(__package__, "leave")
        self._become, self._reap = redis.script(__package__, "become"), redis.script(__package__, "reap")
        self._reopen = redis.script(__package__, "reopen")
        self._close, self._turn, self._told = (
            redis.script(__package__, "close"),
            redis.script(__package__, "turn"),
            redis.script(__package__, "told"),
        )

    async def enter(self, name: str, room: Room, people: list[str], *, came: bool) -> Entered:
        """People are in a room; `came` is False when they were before, and a name only says so anew."""
        async with self._redis.guard("presence"):
            count, peak, changed, state = await self._enter(keys=_keys(room, name), args=[int(came), *people])
        return Entered(Census(count, peak, bool(changed)), state != 0, state == OVER)

    async def leave(self, name: str, room: Room, who: str) -> tuple[Census, int]:
        """Somebody is not in a room; how many the name still holds there."""
        async with self._redis.guard("presence"):
            count, peak, changed, left = await self._leave(keys=_keys(room, name)[:4], args=[who])
        return Census(count, peak, bool(changed)), left

    async def become(self, name: str, room: Room, before: str, after: str, *, other: bool) -> tuple[Moved, Entered]:
        """One person is in a room in place of another, or beside them if they have an `other` socket there."""
        async with self._redis.guard("presence"):
            count, peak, changed, state, came, gone = await self._become(
                keys=_keys(room, name), args=[before, after, int(other)]
            )
        census = Census(count, peak, bool(changed))
        return Moved(census, bool(came), bool(gone)), Entered(census, state != 0, state == OVER)

    async def reap(self, name: str, room: Room, most: int) -> tuple[Census, int]:
        """Take people of a name that is over out of a room; how many of them are left there."""
        async with self._redis.guard("presence"):
            count, peak, changed, left = await self._reap(keys=_keys(room, name), args=[most])
        return Census(count, peak, bool(changed)), left

    async def end(self, name: str | None, room: Room) -> Census:
        """See Presence."""
        async with self._redis.guard("presence"):
            count, peak, changed = await self._close(keys=_keys(room, name)[:4])
        return Census(count, peak, bool(changed))

    async def reopen(self, room: Room) -> None:
        """A room is not over any more."""
        async with self._redis.guard("presence"):
            await self._reopen(keys=_keys(room)[2:])

    async def census(self, room: Room) -> Census:
        """See Presence."""
        async with self._redis.guard("presence"):
            count = int(await self._redis.client.hlen(keys.presence(room)))
            peak = int(await self._redis.client.get(keys.presence_peak(room)) or 0)
        return Census(count, peak, changed=False)

    async def claim_slot(self, room: Room, interval: float = INTERVAL) -> PublishSlot:
        """See Presence."""
        async with self._redis.guard("presence.slot"):
            match await self._turn(keys=_keys(room), args=[round(interval * 1000), TELLING]):
                case [1, wait]:
                    return PublishSlot(wait=wait / 1000)
                case [2, count, peak, change]:
                    return PublishSlot(Census(count, peak, changed=False), change=change)
        return PublishSlot()

    async def published(self, room: Room, slot: PublishSlot) -> bool:
        """See Presence."""
        async with self._redis.guard("presence.slot"):
            return bool(await self._told(keys=[keys.presence_news(room)], args=[slot.change]))


def _keys(room: Room, name: str | None = None) -> list[str]:
    of_room = [keys.presence(room), keys.presence_peak(room), keys.presence_news(room)]
    return of_room if name is None else [*of_room, keys.node_presence(name, room), keys.node_buried(name, room)]
