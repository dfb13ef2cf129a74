"""The outbox: events are logged in the transaction of the change they tell of, and published after its commit.

Used by the services of commerce, streams and moderation.
"""

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
    """If a node is killed between `keep` and `tell`, the other nodes read the events from the logs."""

    def __init__(self, database: Database, log: RoomLog, fanout: Fanout) -> None:
        self._database = database
        self._log = log
        self._fanout = fanout
        self._readers: list[Reader] = []

    def read_by(self, reader: Reader) -> None:
        """Call `reader` with the events that this node publishes, too."""
        self._readers.append(reader)

    @asynccontextmanager
    async def change(self, call: str, *rooms: Room) -> AsyncIterator[list[Told]]:
        """A transaction with events: those put into the list are logged with it, and published after the commit.

        `call` is its name in the metrics. On this node, changes of the same room run one after the other, including the
        publication. An error rolls everything back. Raises NotFound for a room of an unknown stream, and Unavailable.
        """
        news: list[Told] = []
        async with self._log.turn(*rooms):
            async with self._database.guard(call), self._database.transaction():
                yield news
                kept = await self.keep(news)
            await self.tell(kept)

    async def keep(self, news: Sequence[Told]) -> list[LoggedTold]:
        """Log events in the next places of their rooms; once in a transaction, after its other locks."""
        return [LoggedTold(told, seq) for told, seq in zip(news, await self._log.append(news), strict=True)]

    async def tell(self, kept: Sequence[LoggedTold]) -> None:
        """Publish logged events, after the commit. All at once, which the fan-out makes one round trip."""
        told = [self._fanout.publish(*told, seq) for told, seq in kept]
        await asyncio.gather(*told, *(reader(kept) for reader in self._readers))
