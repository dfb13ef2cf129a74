"""Logged events and their places, and the interface to rooms' logs. Implemented by the room log service."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, Self

from gateway.clocks import iso, now
from gateway.keys import Room

# The beginning of `{type, data}` up to the fields of `data`: as payloads are encoded, or as `jsonb` is written.
_TYPED = re.compile(r'\{(?:"type":"[^"]*",)?"data": ?\{(?!\})')
# The same of a packet: `2/chat,["event",{"type":"event","data":{`, or `2["event",{` of a payload without an envelope.
_PACKET = re.compile(rb'2(?:/[^,]*,)?\["[^"]*",\{(?:"type":"[^"]*","data":\{)?(?!\})')
MILLISECOND = timedelta(milliseconds=1)


class Place(NamedTuple):
    """A place in a room's log: `epoch` identifies the log, `seq` counts its events from 1 without gaps."""

    epoch: str
    seq: int

    def offset(self, room: Room) -> str:
        """Return the offset of the event in this place, its last argument. Clients send it back and do not parse it."""
        return f"{room.name}@{self.epoch[:8]}.{self.seq}"


class Head(NamedTuple):
    """The newest place of a room's log, and the first start of the room's stream, if it has begun, and its host."""

    place: Place
    began: datetime | None = None
    host: str | None = None


class LogStamp(NamedTuple):
    """The place of a logged event, and the time of its commit by PostgreSQL's clock.

    `began` is when the room's stream went live first; None if it has not yet, or if the room belongs to no stream.
    """

    epoch: str
    seq: int
    at: datetime
    began: datetime | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Return the stamp of an event from a row with `epoch`, `seq`, `at` and `began`."""
        return cls(str(row["epoch"]), row["seq"], row["at"], row["began"])


def stamped(payload: str, room: Room, stamp: LogStamp) -> str:
    """Add `room`, `seq`, `epoch` and `at` to the payload of a logged event, and `streamTime` to its data.

    The payload is a JSON object with at least one field, as it was encoded or as the database returns it. Stored
    payloads have no stamp: it is added whenever the event is sent, so that all ways of sending it agree and events that
    earlier versions stored have one, too.
    """
    time = time_json(stamp)
    typed = _TYPED.match(payload) if time else None
    if typed is None:
        return f"{payload[:-1]},{time}{stamp_json(room, stamp)}"
    return f"{typed[0]}{time}{payload[typed.end() : -1]},{stamp_json(room, stamp)}"


def time_json(stamp: LogStamp) -> str:
    """Return `streamTime`, the ms from the start of the stream to `at`, and a comma; "" for events before the start."""
    began, at = stamp.began, stamp.at
    return "" if began is None or at < began else f'"streamTime":{(at - began) // MILLISECOND},'


def timed(packet: bytes, began: datetime | None) -> bytes:
    """Add `streamTime`, by the current time, to the data of an event that is not logged, once the stream has begun."""
    if began is None or (start := _PACKET.match(packet)) is None:
        return packet
    passed = max(0, (now() - began) // MILLISECOND)
    return b'%b"streamTime":%d,%b' % (start[0], passed, packet[start.end() :])


def stamp_json(room: Room, stamp: LogStamp) -> str:
    """Return the other fields of a stamp, and the last brace of the payload."""
    epoch, seq, at, _ = stamp
    return f'"room":"{room.name}","seq":{seq},"epoch":"{epoch}","at":"{iso(at)}"}}'


class LoggedEvent(NamedTuple):
    """One event of a log. `payload` is stamped JSON, or None if its content was removed: then it must not be sent."""

    seq: int
    event: str
    payload: str | None


class Wanted(NamedTuple):
    """The events of a log that a reader wants: those after `seq`, unless the log's head is still `known`."""

    seq: int
    known: Place | None = None


class Read(NamedTuple):
    """The head of a log, and its events after a place, in order; none if the head is the known one."""

    head: Place
    events: list[LoggedEvent]


class Log(Protocol):
    """The logs of rooms. All methods raise Unavailable."""

    async def heads(self, rooms: Sequence[Room]) -> dict[Room, Head]:
        """Return the head of each room that has a log."""
        ...

    async def after(self, room: Room, seq: int, limit: int) -> list[LoggedEvent]:
        """Return up to `limit` events after a place, in order, without those that the log no longer keeps."""
        ...

    async def read(self, wanted: Mapping[Room, Wanted], limit: int) -> dict[Room, Read]:
        """Return the heads of some logs and up to `limit` events of each, as of one moment; unknown logs are left out.

        Events are as `after` returns them.
        """
        ...
