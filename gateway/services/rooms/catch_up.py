"""Catch-up: the events that a returning client has missed, read once for all. Used by chat, storefront and viewers."""

import asyncio
from typing import NamedTuple

from gateway.concurrency.batcher import Batcher
from gateway.errors import NotFound, Unavailable, UnknownStream
from gateway.keys import Room
from gateway.protocol.wire import Cursor, Missed, Since
from gateway.services.rooms.log import RoomLog, Tail

BATCH = 2000  # clients in one reading
WAITING = 20_000  # clients without an answer; further ones are refused with Unavailable
FARTHEST = 2**63 - 1  # the last place that the database can count to


class Position(NamedTuple):
    """The cursor of a room log, and the events after the client's cursor; None if they are no longer stored."""

    cursor: Cursor
    events: list[Missed] | None


class CatchUp:
    """Reads missed events. A client that asks during a reading waits for the next one, so that it misses no event."""

    def __init__(self, log: RoomLog) -> None:
        self._log = log
        self._readings: Batcher[tuple[Room, Since | None], Position] = Batcher(
            "catch-up", self._read, most=BATCH, waiting=WAITING, unavailable=Unavailable
        )

    async def position(self, room: Room, since: Since | None) -> Position:
        """Return the cursor of the log, and all events after `since` if it has the same epoch and all are still stored.

        Raises NotFound for an unknown stream, and Unavailable.
        """
        return await self._readings.call((room, since))

    async def close(self) -> None:
        """Refuse further requests."""
        await self._readings.close()

    async def _read(self, requests: list[tuple[Room, Since | None]]) -> list[Position | Exception]:
        oldest: dict[Room, int] = {}
        for room, since in requests:
            oldest[room] = min(oldest.get(room, FARTHEST), FARTHEST if since is None else max(0, since.seq))
        read = await asyncio.gather(*(self._tail(room, seq) for room, seq in oldest.items()))
        tails = dict(zip(oldest, read, strict=True))
        return [_position(tails[room], since) for room, since in requests]

    async def _tail(self, room: Room, seq: int) -> Tail | None:
        try:
            return await self._log.tail(room, seq)
        except NotFound:
            return None


def _position(tail: Tail | None, since: Since | None) -> Position | Exception:
    if tail is None:
        return UnknownStream()
    cursor, events = tail
    if since is None or since.epoch != cursor.epoch or not 0 <= cursor.seq - since.seq <= len(events):
        return Position(cursor, None)
    return Position(cursor, events[len(events) - (cursor.seq - since.seq) :])
