"""Counts distinct people in rooms: the interface, and counts within one process. `redis.py` counts over all nodes."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from gateway.keys import Room

INTERVAL = 1.0  # s between two permits for publishing a room's member count


class Census(NamedTuple):
    """The number of distinct people in a room, the highest so far, and whether this call changed the number."""

    count: int  # type: ignore[assignment]  # hides tuple.count, which is not needed here
    peak: int
    changed: bool


class Moved(NamedTuple):
    """The effect of a socket's change from one person to another. The count changes if only one of the two is True."""

    census: Census
    came: bool  # the new person had no other socket in the room
    gone: bool  # the previous person has no other socket in the room


class PublishPermit(NamedTuple):
    """Whether the caller must publish a room's count now. Without `census` and `wait` there is nothing to publish."""

    census: Census | None = None  # what to publish
    wait: float | None = None  # s until the next attempt to claim a permit
    change: int = 0  # the number of the last change in `census`


Callback = Callable[[Room, Census], Awaitable[None]]


class Presence(Protocol):
    """Counts people, not sockets: several sockets of one person, on any nodes, count once. No method raises."""

    async def enter(self, room: Room, who: str) -> Census:
        """Count a socket of a person in a room; one call for each socket. Has no effect in a closed room."""
        ...

    async def leave(self, room: Room, who: str) -> Census:
        """Remove a socket of a person from a room; one call for each `enter`, more are ignored."""
        ...

    async def move(self, room: Room, before: str, after: str) -> Moved:
        """Count a socket as `after` instead of `before`, in one step so that the count never includes both."""
        ...

    async def census(self, room: Room) -> Census:
        """Return the current census; `changed` is False."""
        ...

    async def people_of(self, room: Room, most: int) -> list[str]:
        """Return the people in a room, in no order; about `most` of them if they are more."""
        ...

    async def end(self, room: Room) -> Census:
        """Close a room: remove everybody, and ignore later calls of `enter` and `leave`. Idempotent.

        While Redis is unavailable this affects only this node.
        """
        ...

    async def restore(self, room: Room, people: Sequence[str]) -> Census:
        """Reopen a closed room with the people of this node's sockets in it, one entry for each socket.

        Idempotent: replaces all people that this node had in the room before.
        """
        ...

    async def claim_permit(self, room: Room) -> PublishPermit:
        """Claim the right to publish a room's count. One node gets it per `INTERVAL`; immediately from or to 0."""
        ...

    async def published(self, room: Room, permit: PublishPermit) -> bool:
        """Record that the count was published; return whether there are newer changes.

        Without that it is published again.
        """
        ...

    def rooms(self) -> list[Room]:
        """Return the rooms in which this node has people."""
        ...

    def on_change(self, callback: Callback) -> None:
        """Call `callback` when a room's count has changed without a call on this node.

        That happens when a node dies, or when this one is connected to Redis again.
        """


class _Room:
    """The people of a room on this node, and the state of publishing their number."""

    __slots__ = ("changes", "next", "over", "peak", "published", "shown", "sockets")

    def __init__(self) -> None:
        self.sockets: dict[str, int] = {}  # person → number of their sockets in the room
        self.peak = 0
        self.over = False
        self.changes = self.published = self.shown = 0
        self.next = 0.0


class LocalPresence:
    """The people of this process: the double for tests, and the local state of RedisPresence."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._rooms: dict[Room, _Room] = {}

    async def enter(self, room: Room, who: str) -> Census:
        """See Presence."""
        return self.add(room, who)

    async def leave(self, room: Room, who: str) -> Census:
        """See Presence."""
        return self.remove(room, who)

    async def move(self, room: Room, before: str, after: str) -> Moved:
        """See Presence."""
        return self.swap(room, before, after)

    async def census(self, room: Room) -> Census:
        """See Presence."""
        return _census(self._rooms.get(room) or _Room())

    async def people_of(self, room: Room, most: int) -> list[str]:
        """See Presence."""
        return self.people(room)[:most]

    async def end(self, room: Room) -> Census:
        """See Presence."""
        state = self._rooms.setdefault(room, _Room())
        state.changes += bool(state.sockets)
        state.sockets.clear()
        state.over = True
        return _census(state, changed=state.changes > state.published)

    async def restore(self, room: Room, people: Sequence[str]) -> Census:
        """See Presence."""
        return self.replace(room, people)

    async def claim_permit(self, room: Room) -> PublishPermit:
        """See Presence."""
        state = self._rooms.get(room)
        if state is None or state.changes == state.published:
            return PublishPermit()
        now, count = asyncio.get_running_loop().time(), len(state.sockets)
        if state.next > now and (count == 0) == (state.shown == 0):
            return PublishPermit(wait=state.next - now)
        state.next, state.shown = now + self._interval, count
        return PublishPermit(_census(state), change=state.changes)

    async def published(self, room: Room, permit: PublishPermit) -> bool:
        """See Presence."""
        state = self._rooms.get(room)
        if state is None:
            return False
        state.published = min(permit.change, state.changes)
        return state.changes > state.published

    def on_change(self, callback: Callback) -> None:
        """See Presence. Never called: a single process has no such changes."""

    def add(self, room: Room, who: str) -> Census:
        """Do the same as `enter`, without await."""
        state = self._rooms.setdefault(room, _Room())
        if state.over:
            return _census(state)
        state.sockets[who] = state.sockets.get(who, 0) + 1
        state.peak = max(state.peak, len(state.sockets))
        return _changed(state, changed=state.sockets[who] == 1)

    def remove(self, room: Room, who: str) -> Census:
        """Do the same as `leave`, without await."""
        state = self._rooms.get(room) or _Room()
        left = state.sockets.get(who, 0) - 1
        if left > 0:
            state.sockets[who] = left
        else:
            state.sockets.pop(who, None)
        return _changed(state, changed=left == 0)

    def swap(self, room: Room, before: str, after: str) -> Moved:
        """Do the same as `move`, without await. Has no effect if `before` is not in the room, because it was closed."""
        if not self.holds(room, before):
            return Moved(_census(self._rooms.get(room) or _Room()), came=False, gone=False)
        gone = self.remove(room, before).changed
        came = self.add(room, after).changed
        return Moved(_census(self._rooms[room], changed=came != gone), came, gone)

    def replace(self, room: Room, people: Sequence[str]) -> Census:
        """Do the same as `restore`, without await."""
        state = self._rooms.setdefault(room, _Room())
        changed = state.sockets.keys() != set(people)
        state.over = False
        state.sockets = dict(Counter(people))
        state.peak = max(state.peak, len(state.sockets))
        return _changed(state, changed=changed)

    def rooms(self) -> list[Room]:
        """See Presence."""
        return [room for room, state in self._rooms.items() if state.sockets]

    def people(self, room: Room) -> list[str]:
        """Return the people in a room."""
        state = self._rooms.get(room)
        return list(state.sockets) if state else []

    def count(self, room: Room) -> int:
        """Return the number of people in a room."""
        state = self._rooms.get(room)
        return len(state.sockets) if state else 0

    def holds(self, room: Room, who: str) -> bool:
        """Return whether a person has a socket in a room."""
        state = self._rooms.get(room)
        return state is not None and who in state.sockets

    def forget(self, room: Room) -> None:
        """Forget a room and everybody in it."""
        self._rooms.pop(room, None)


def _census(state: _Room, *, changed: bool = False) -> Census:
    return Census(len(state.sockets), state.peak, changed)


def _changed(state: _Room, *, changed: bool) -> Census:
    state.changes += changed
    return _census(state, changed=changed)
