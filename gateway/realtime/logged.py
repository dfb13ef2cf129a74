"""The rooms' logs as the engine sees them: places, events, and what it reads. The room log is the one that has them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gateway.keys import Room


class Place(NamedTuple):
    """A place in a room's log: `epoch` names the log, `seq` counts its events from 1 without gaps."""

    epoch: str
    seq: int

    def offset(self, room: Room) -> str:
        """How clients hand it back: opaque to them, the last argument of the event in this place."""
        return f"{room.name}@{self.epoch[:8]}.{self.seq}"


class LoggedEvent(NamedTuple):
    """One event of a log. `payload` is JSON; None: its content was taken away, and nobody is to hear it any more."""

    seq: int
    event: str
    payload: str | None


class Log(Protocol):
    """The logs of rooms. Both raise Unavailable."""

    async def heads(self, rooms: Sequence[Room]) -> dict[Room, Place]:
        """The newest place of each room that has a log."""
        ...

    async def after(self, room: Room, seq: int, limit: int) -> list[LoggedEvent]:
        """The first events after a place, in order; those that the log does not keep any more are left out."""
        ...
