"""Logged events and their places, and the interface to rooms' logs. Implemented by the room log service."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gateway.keys import Room


class Place(NamedTuple):
    """A place in a room's log: `epoch` identifies the log, `seq` counts its events from 1 without gaps."""

    epoch: str
    seq: int

    def offset(self, room: Room) -> str:
        """Return the offset of the event in this place, its last argument. Clients send it back and do not parse it."""
        return f"{room.name}@{self.epoch[:8]}.{self.seq}"


class LoggedEvent(NamedTuple):
    """One event of a log. `payload` is JSON, or None if its content was removed: then it must not be sent."""

    seq: int
    event: str
    payload: str | None


class Log(Protocol):
    """The logs of rooms. Both raise Unavailable."""

    async def heads(self, rooms: Sequence[Room]) -> dict[Room, Place]:
        """Return the newest place of each room that has a log."""
        ...

    async def after(self, room: Room, seq: int, limit: int) -> list[LoggedEvent]:
        """Return up to `limit` events after a place, in order, without those that the log no longer keeps."""
        ...
