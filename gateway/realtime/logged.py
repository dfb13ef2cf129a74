"""Logged events and their places, and the interface to rooms' logs. Implemented by the room log service."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from gateway.keys import Room
from gateway.protocol.wire import iso


class Place(NamedTuple):
    """A place in a room's log: `epoch` identifies the log, `seq` counts its events from 1 without gaps."""

    epoch: str
    seq: int

    def offset(self, room: Room) -> str:
        """Return the offset of the event in this place, its last argument. Clients send it back and do not parse it."""
        return f"{room.name}@{self.epoch[:8]}.{self.seq}"


class Stamp(NamedTuple):
    """The place of a logged event, and the time of its commit by PostgreSQL's clock."""

    epoch: str
    seq: int
    at: datetime


def stamped(payload: str, room: Room, stamp: Stamp) -> str:
    """Add `room`, `seq`, `epoch` and `at` to the payload of a logged event, a JSON object with at least one field.

    What is stored has no stamp: it is added whenever the event is sent, so that all ways of sending it agree, and
    events that were stored by earlier versions have one, too.
    """
    return payload[:-1] + stamp_json(room, stamp)


def stamp_json(room: Room, stamp: Stamp) -> str:
    """What takes the place of the last brace of a payload."""
    epoch, seq, at = stamp
    return f',"room":"{room.name}","seq":{seq},"epoch":"{epoch}","at":"{iso(at)}"}}'


class LoggedEvent(NamedTuple):
    """One event of a log. `payload` is stamped JSON, or None if its content was removed: then it must not be sent."""

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
