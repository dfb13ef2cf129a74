"""Who is in a room, as distinct people: the contract, and presence within one process. Used by services."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from gateway.keys import Room

INTERVAL = 1.0  # s between two slots to tell a room its number


class Census(NamedTuple):
    """How many distinct people are in a room, the most there ever were, and whether this call changed the number."""

    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks a census for
    peak: int
    changed: bool


class Moved(NamedTuple):
    """What changed as a socket became somebody else's; the number of people did if only one of these is true."""

    census: Census
    came: bool  # whom they became was not there yet
    gone: bool  # whom they were has no other socket there


class PublishSlot(NamedTuple):
    """Whether the asker is to tell a room its number now. When there is neither a census nor a wait, all is told."""

    census: Census | None = None  # what to tell
    wait: float | None = None  # s until it is worth asking again
    change: int = 0  # up to which change that is


Callback = Callable[[Room, Census], Awaitable[None]]


class Presence(Protocol):
    """Counts people, not sockets: who has several, on whatever nodes, is one. Nothing here raises."""

    async def enter(self, room: Room, who: str) -> Census:
        """A socket of somebody came into a room; one call a socket. Into one that is over nobody comes."""
        ...

    async def leave(self, room: Room, who: str) -> Census:
        """A socket of somebody left a room; one call for each `enter`, more are ignored."""
        ...

    async def become(self, room: Room, before: str, after: str) -> Moved:
        """A socket that was counted as `before` is one of `after` now: in one step, so that nobody is counted twice."""
        ...

    async def census(self, room: Room) -> Census:
        """The numbers as they are; `changed` is False."""
        ...

    async def end(self, room: Room) -> Census:
        """Nobody is in a room any more and nobody will be; who calls `leave` later was not there. Idempotent.

        While Redis is away this holds on this node alone, and is to be called again.
        """
        ...

    async def restore(self, room: Room, people: Sequence[str]) -> Census:
        """A room is not over any more; these are the people of the sockets that this node has there, one name a socket.

        Idempotent: whoever this node held there before is replaced by them.
        """
        ...

    async def claim_slot(self, room: Room) -> PublishSlot:
        """Ask to tell a room its number. Over all nodes one gets the slot in `INTERVAL`, at once from or to nobody."""
        ...

    async def published(self, room: Room, slot: PublishSlot) -> bool:
        """The room was told; whether there is more to tell. Without this the next slot tells the room again."""
        ...

    def rooms(self) -> list[Room]:
        """The rooms in which this node holds somebody."""
        ...

    def on_change(self, callback: Callback) -> None:
        """Call `callback` when a room is to be told of something that no call of this node answered.

        A node died, or this one came back from being cut off. The census tells whether anybody came or went by it.
        """


class _Room:
    """The people of a room on this node, and what the room was told of their number."""

    __slots__ = ("changes", "next", "over", "peak", "published", "shown", "sockets")

    def __init__(self) -> None:
        self.sockets: dict[str, int] = {}  # who → how many of their sockets are there
        self.peak = 0
        self.over = False
        self.changes = self.published = self.shown = 0
        self.next = 0.0


class LocalPresence:
    """The people of this process: the double for tests, and what a node holds itself."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._rooms: dict[Room, _Room] = {}

    async def enter(self, room: Room, who: str) -> Census:
        """See Presence."""
        return self.add(room, who)

    async def leave(self, room: Room, who: str) -> Census:
        """See Presence."""
        return self.remove(room, who)

    async def become(self, room: Room, before: str, after: str) -> Moved:
        """See Presence."""
        return self.swap(room, before, after)

    async def census(self, room: Room) -> Census:
        """See Presence."""
        return _census(self._rooms.get(room) or _Room())

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

    async def claim_slot(self, room: Room) -> PublishSlot:
        """See Presence."""
        state = self._rooms.get(room)
        if state is None or state.changes == state.published:
            return PublishSlot()
        now, count = asyncio.get_running_loop().time(), len(state.sockets)
        if state.next > now and (count == 0) == (state.shown == 0):
            return PublishSlot(wait=state.next - now)
        state.next, state.shown = now + self._interval, count
        return PublishSlot(_census(state), change=state.changes)

    async def published(self, room: Room, slot: PublishSlot) -> bool:
        """See Presence."""
        state = self._rooms.get(room)
        if state is None:
            return False
        state.published = min(slot.change, state.changes)
        return state.changes > state.published

    def on_change(self, callback: Callback) -> None:
        """See Presence; a process that is alone never loses anybody by itself."""

    def add(self, room: Room, who: str) -> Census:
        """`enter`, at once."""
        state = self._rooms.setdefault(room, _Room())
        if state.over:
            return _census(state)
        state.sockets[who] = state.sockets.get(who, 0) + 1
        state.peak = max(state.peak, len(state.sockets))
        return _changed(state, changed=state.sockets[who] == 1)

    def remove(self, room: Room, who: str) -> Census:
        """`leave`, at once."""
        state = self._rooms.get(room) or _Room()
        left = state.sockets.get(who, 0) - 1
        if left > 0:
            state.sockets[who] = left
        else:
            state.sockets.pop(who, None)
        return _changed(state, changed=left == 0)

    def swap(self, room: Room, before: str, after: str) -> Moved:
        """`become`, at once. Who is not there any more, because the room is over, does not come back by it."""
        if not self.holds(room, before):
            return Moved(_census(self._rooms.get(room) or _Room()), came=False, gone=False)
        gone = self.remove(room, before).changed
        came = self.add(room, after).changed
        return Moved(_census(self._rooms[room], changed=came != gone), came, gone)

    def replace(self, room: Room, people: Sequence[str]) -> Census:
        """`restore`, at once."""
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
        """The people in a room."""
        state = self._rooms.get(room)
        return list(state.sockets) if state else []

    def holds(self, room: Room, who: str) -> bool:
        """Whether somebody has a socket in a room."""
        state = self._rooms.get(room)
        return state is not None and who in state.sockets

    def forget(self, room: Room) -> None:
        """Know nothing of a room any more, whoever was there."""
        self._rooms.pop(room, None)


def _census(state: _Room, *, changed: bool = False) -> Census:
    return Census(len(state.sockets), state.peak, changed)


def _changed(state: _Room, *, changed: bool) -> Census:
    state.changes += changed
    return _census(state, changed=changed)
