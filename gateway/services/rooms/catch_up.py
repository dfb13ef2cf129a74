"""What people who come back to a room have missed, read once for all who come. Used by chat and storefront."""

import asyncio
from typing import NamedTuple

from gateway.concurrency.batcher import Batcher
from gateway.errors import NotFound, Unavailable
from gateway.keys import Room
from gateway.protocol.wire import Cursor, Missed, Since
from gateway.services.rooms.log import RoomLog, Tail

TOGETHER = 2000  # asked for at once
WAITING = 20_000  # that wait for an answer; more would wait for too long
FARTHEST = 2**63 - 1  # of all places that the database can count to


class Position(NamedTuple):
    """Where a room's log stands, and what came after the client's cursor: None if that is not known any more."""

    cursor: Cursor
    events: list[Missed] | None


class CatchUp:
    """Whoever comes while a look is under way is in the next one, so that nobody is shown less than they will hear."""

    def __init__(self, log: RoomLog) -> None:
        self._log = log
        self._looking: Batcher[tuple[Room, Since | None], Position] = Batcher(
            "replays", self._look, most=TOGETHER, waiting=WAITING, unavailable=Unavailable
        )

    async def position(self, room: Room, since: Since | None) -> Position:
        """Where the log stands, with everything after `since` if that is of this log, complete, and not too much.

        Raises NotFound for a room of a stream that is none, and Unavailable.
        """
        return await self._looking.call((room, since))

    async def close(self) -> None:
        """Answer nobody any more."""
        await self._looking.close()

    async def _look(self, asks: list[tuple[Room, Since | None]]) -> list[Position | Exception]:
        oldest: dict[Room, int] = {}
        for room, since in asks:
            oldest[room] = min(oldest.get(room, FARTHEST), FARTHEST if since is None else max(0, since.seq))
        read = await asyncio.gather(*(self._tail(room, seq) for room, seq in oldest.items()))
        tails = dict(zip(oldest, read, strict=True))
        return [_position(tails[room], since) for room, since in asks]

    async def _tail(self, room: Room, seq: int) -> Tail | None:
        try:
            return await self._log.tail(room, seq)
        except NotFound:
            return None


def _position(tail: Tail | None, since: Since | None) -> Position | Exception:
    if tail is None:
        return NotFound("There is no such stream")
    cursor, events = tail
    if since is None or since.epoch != cursor.epoch or not 0 <= cursor.seq - since.seq <= len(events):
        return Position(cursor, None)
    return Position(cursor, events[len(events) - (cursor.seq - since.seq) :])
