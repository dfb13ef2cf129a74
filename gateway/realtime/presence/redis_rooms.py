"""The people of rooms in Redis, under the names of nodes: each method is one script. Used by RedisPresence.

A node writes under its own name, whose lease it renews. A name whose lease has ended is never renewed and gets no new
rooms; each room from which its people were removed has a mark that prevents further writes under it. So any node can
remove them in any number of steps without a race against their node. Each script uses either the leases or one room, so
all its keys are in one slot of a cluster.

Leases expire in served time: the time of Redis in which gaps between heartbeats of all nodes are cut to a maximum.
While Redis hangs or is unavailable no node can send heartbeats, so no lease may expire.

The count of a room is a hash, and the people of each node are a set beside it. Redis may lose either, by eviction or
DEL. Then the count is restarted, and each node adds its set at its next call, or with `check` at its next heartbeat. So
each person is counted exactly once, on whichever nodes their sockets are.

Each change of a room's count increments `changes` of `presence_state`; `told` is the last change that was published.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway import keys
from gateway.errors import Unavailable
from gateway.keys import Room
from gateway.realtime.presence.presence import INTERVAL, Census, Moved, PublishPermit
from gateway.redis.client import RedisClient

PUBLISHING = 50  # ms that other nodes wait for the node with a permit when the count changes from or to 0
OVER = 2
STEP = 1000  # people that are read at once


class Entered(NamedTuple):
    """The result of adding people to a room."""

    census: Census
    alive: bool  # False if the name's lease has ended there: they were not added
    over: bool  # True if the room is closed: they were not added


class Change(NamedTuple):
    """People who have left a room and people who have entered it, each of them once."""

    left: list[str]
    entered: list[str]


class Changed(NamedTuple):
    """The result of writing a Change."""

    each: dict[str, Census]  # as if they had come one after the other
    entered: Entered | None  # None if nobody entered
    remaining: int | None  # how many people the name had in the room after they left; None if nobody left


class RedisRooms:
    """Scripts on rooms. All methods raise Unavailable, and all may be repeated or called late."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._enter, self._leave = redis.script(__package__, "enter"), redis.script(__package__, "leave")
        self._move, self._reap = redis.script(__package__, "move"), redis.script(__package__, "reap")
        self._reopen = redis.script(__package__, "reopen")
        self._check, self._recount = redis.script(__package__, "check"), redis.script(__package__, "recount")
        self._close, self._claim_permit, self._mark_published = (
            redis.script(__package__, "close"),
            redis.script(__package__, "claim_permit"),
            redis.script(__package__, "published"),
        )

    async def announce(self, name: str, room: Room, people: list[str]) -> Entered:
        """Add people to a room who had been counted there before."""
        async with self._redis.guard("presence"):
            count, peak, changed, state, _ = await self._enter(keys=_keys(room, name), args=[0, *people])
        return Entered(Census(count, peak, bool(changed)), state != 0, state == OVER)

    async def change(self, name: str, changes: Mapping[Room, Change]) -> dict[Room, Changed | Unavailable]:
        """Remove people from rooms and add others, in one round trip.

        Return Unavailable for the rooms of a cluster's server that has failed; raise it if all have.
        """
        calls = []
        for room, change in changes.items():
            if change.left:
                calls.append((self._leave, _keys(room, name)[:4], change.left))
            if change.entered:
                calls.append((self._enter, _keys(room, name), ["1", *change.entered]))
        async with self._redis.guard("presence"):
            if len(calls) == 1:
                [(script, names, args)] = calls
                found = [await script(keys=names, args=args)]
            else:
                pipeline = self._redis.client.pipeline(transaction=False)
                for script, names, args in calls:
                    await script(keys=names, args=args, client=pipeline)
                found = await self._redis.answers(pipeline, "presence")
        answers = iter(found)
        return {
            room: _changed(change, next(answers) if change.left else None, next(answers) if change.entered else None)
            for room, change in changes.items()
        }

    async def move(self, name: str, room: Room, before: str, after: str, *, other: bool) -> tuple[Moved, Entered]:
        """Replace a person in a room by another; keep both if the first has an `other` socket there."""
        async with self._redis.guard("presence"):
            count, peak, changed, state, came, gone = await self._move(
                keys=_keys(room, name), args=[before, after, int(other)]
            )
        census = Census(count, peak, bool(changed))
        return Moved(census, bool(came), bool(gone)), Entered(census, state != 0, state == OVER)

    async def reap(self, name: str, room: Room, most: int) -> tuple[Census, int]:
        """Remove up to `most` people of a dead name from a room; also return how many are left."""
        async with self._redis.guard("presence"):
            count, peak, changed, left = await self._reap(keys=_keys(room, name), args=[most])
        return Census(count, peak, bool(changed)), left

    async def check(self, name: str, rooms: list[Room]) -> list[tuple[Census, int]]:
        """Add a name's people to counts that were restarted without them, in one round trip.

        Returns for each room its census and how many people the name has there, -1 if the room is closed.
        """
        async with self._redis.guard("presence.check"):
            pipeline = self._redis.client.pipeline(transaction=False)
            for room in rooms:
                await self._check(keys=_keys(room, name)[:4], client=pipeline)
            answers = await pipeline.execute()
        return [(Census(count, peak, bool(changed)), stored) for count, peak, changed, stored in answers]

    async def recount(self, name: str, room: Room) -> None:
        """Restart the count of a room without the people of a name; the caller adds them again."""
        presence, _, state, people, _ = _keys(room, name)
        async with self._redis.guard("presence"):
            await self._recount(keys=[presence, state, people])

    async def end(self, name: str | None, room: Room) -> Census:
        """See Presence."""
        async with self._redis.guard("presence"):
            count, peak, changed = await self._close(keys=_keys(room, name)[:4])
        return Census(count, peak, bool(changed))

    async def reopen(self, room: Room) -> None:
        """Reopen a closed room."""
        async with self._redis.guard("presence"):
            await self._reopen(keys=_keys(room)[2:])

    async def census(self, room: Room) -> Census:
        """See Presence."""
        async with self._redis.guard("presence"):
            count = int(await self._redis.client.hlen(keys.presence(room)))
            peak = int(await self._redis.client.get(keys.presence_peak(room)) or 0)
        return Census(count, peak, changed=False)

    async def people_of(self, room: Room, most: int) -> list[str]:
        """See Presence. Redis serves others between two steps."""
        people: set[str] = set()
        cursor = -1
        while cursor != 0 and len(people) < most:
            async with self._redis.guard("presence.people"):
                cursor, some = await self._redis.client.hscan(keys.presence(room), max(cursor, 0), count=STEP)
            people.update(map(str, some))
        return list(people)

    async def claim_permit(self, room: Room, interval: float = INTERVAL) -> PublishPermit:
        """See Presence."""
        async with self._redis.guard("presence.permit"):
            match await self._claim_permit(keys=_keys(room), args=[round(interval * 1000), PUBLISHING]):
                case [1, wait]:
                    return PublishPermit(wait=wait / 1000)
                case [2, count, peak, change]:
                    return PublishPermit(Census(count, peak, changed=False), change=change)
        return PublishPermit()

    async def published(self, room: Room, permit: PublishPermit) -> bool:
        """See Presence."""
        async with self._redis.guard("presence.permit"):
            return bool(await self._mark_published(keys=[keys.presence_state(room)], args=[permit.change]))


def _keys(room: Room, name: str | None = None) -> list[str]:
    of_room = [keys.presence(room), keys.presence_peak(room), keys.presence_state(room)]
    return of_room if name is None else [*of_room, keys.node_presence(name, room), keys.node_buried(name, room)]


def _changed(
    change: Change, left: Sequence[Any] | Unavailable | None, entered: Sequence[Any] | Unavailable | None
) -> Changed | Unavailable:
    """Return the result of both scripts, as far as they were run; people leave before others enter."""
    if isinstance(left, Unavailable) or isinstance(entered, Unavailable):
        return Unavailable("redis")
    each: dict[str, Census] = {}
    remaining = added = None
    if left is not None:
        count, peak, changed, remaining, gone = left
        each |= _each(change.left, Census(count, peak, bool(changed)), set(gone), -1)
    if entered is not None:
        count, peak, changed, state, new = entered
        census = Census(count, peak, bool(changed))
        added = Entered(census, state != 0, state == OVER)
        each |= _each(change.entered, census, set(new), 1)
    return Changed(each, added, remaining)


def _each(people: list[str], last: Census, changed: set[int], step: int) -> dict[str, Census]:
    """Return the census of each person, from that of the last one and the indexes of those who changed the count."""
    each, count = {}, last.count - step * len(changed)
    for index, who in enumerate(people, 1):
        count += step * (index in changed)
        each[who] = Census(count, last.peak, index in changed)
    if last.changed and not changed:  # the count was wrong before
        each[people[0]] = last
    return each
