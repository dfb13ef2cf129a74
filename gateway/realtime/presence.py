"""Who is in a room, as distinct people: the contract, and presence within one process. Used by services."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from gateway.keys import Room


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


Callback = Callable[[Room, Census], Awaitable[None]]


class Presence(Protocol):
    """Counts people, not sockets: who has several, on whatever nodes, is one. Nothing here raises.

    A call that is cancelled has counted all the same, except `enter`: then nobody came in.
    """

    async def enter(self, room: Room, who: str) -> Census:
        """A socket of somebody came into a room; one call a socket."""
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

    def on_change(self, callback: Callback) -> None:
        """Call `callback` when the number changed by itself: a node died, or came back from being cut off."""


class LocalPresence:
    """The people of this process: the double for tests, and what a node holds itself."""

    def __init__(self) -> None:
        self._sockets: dict[Room, dict[str, int]] = {}  # who → how many of their sockets are there
        self._peaks: dict[Room, int] = {}

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
        return self._census(room, changed=False)

    def on_change(self, callback: Callback) -> None:
        """See Presence; a process that is alone never loses anybody by itself."""

    def add(self, room: Room, who: str) -> Census:
        """`enter`, at once."""
        sockets = self._sockets.setdefault(room, {})
        sockets[who] = sockets.get(who, 0) + 1
        self._peaks[room] = max(self._peaks.get(room, 0), len(sockets))
        return self._census(room, changed=sockets[who] == 1)

    def remove(self, room: Room, who: str) -> Census:
        """`leave`, at once."""
        sockets = self._sockets.get(room, {})
        left = sockets.get(who, 0) - 1
        if left > 0:
            sockets[who] = left
        elif sockets.pop(who, None) and not sockets:
            del self._sockets[room]
        return self._census(room, changed=left == 0)

    def swap(self, room: Room, before: str, after: str) -> Moved:
        """`become`, at once."""
        gone = self.remove(room, before).changed
        came = self.add(room, after).changed
        return Moved(self._census(room, changed=came != gone), came, gone)

    def rooms(self) -> list[Room]:
        """The rooms that somebody is in."""
        return list(self._sockets)

    def people(self, room: Room) -> list[str]:
        """The people in a room."""
        return list(self._sockets.get(room, ()))

    def holds(self, room: Room, who: str) -> bool:
        """Whether somebody has a socket in a room."""
        return who in self._sockets.get(room, ())

    def _census(self, room: Room, *, changed: bool) -> Census:
        return Census(len(self._sockets.get(room, ())), self._peaks.get(room, 0), changed)
