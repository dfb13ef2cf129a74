"""What rooms hear of a change: kept in their logs together with it, told after the commit. Used by what sells."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from gateway.keys import Room
from gateway.postgres.database import Database
from gateway.realtime.fanout.fanout import Fanout
from gateway.services.rooms.log import RoomLog, Told


class LoggedTold(NamedTuple):
    """An event in its place."""

    told: Told
    seq: int


Reader = Callable[[Sequence[LoggedTold]], Awaitable[None]]  # never raises


class Outbox:
    """A node that is killed between `keep` and `tell` loses nothing: the others find it in the logs."""

    def __init__(self, database: Database, log: RoomLog, fanout: Fanout) -> None:
        self._database = database
        self._log = log
        self._fanout = fanout
        self._readers: list[Reader] = []

    def read_by(self, reader: Reader) -> None:
        """Let somebody on this node know, too, of what it tells."""
        self._readers.append(reader)

    @asynccontextmanager
    async def change(self, call: str, *rooms: Room) -> AsyncIterator[list[Told]]:
        """A transaction with its news: what is put into the list is kept with it, and told after the commit.

        `call` is its name in the metrics. On this node, those that name the same room go one after the other, told
        included. An error within undoes all of it. Raises NotFound for a room of no stream, and Unavailable.
        """
        news: list[Told] = []
        async with self._log.turn(*rooms):
            async with self._database.guard(call), self._database.transaction():
                yield news
                kept = await self.keep(news)
            await self.tell(kept)

    async def keep(self, news: Sequence[Told]) -> list[LoggedTold]:
        """Give events their places: once in a transaction, after all else that it locks. Raises NotFound."""
        return [LoggedTold(told, seq) for told, seq in zip(news, await self._log.append(news), strict=True)]

    async def tell(self, kept: Sequence[LoggedTold]) -> None:
        """Publish what was kept, after the commit. All at once, of which the fan-out makes one round trip."""
        told = [self._fanout.publish(*told, seq) for told, seq in kept]
        await asyncio.gather(*told, *(reader(kept) for reader in self._readers))
