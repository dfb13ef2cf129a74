"""The outbox: events are logged in the transaction of the change that they report, and published after its commit.

Used by the services of commerce, streams and moderation.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from gateway.keys import Room
from gateway.postgres.database import Database
from gateway.realtime.fanout.fanout import Fanout
from gateway.realtime.logged import LogStamp
from gateway.services.rooms.log import NewEvent, RoomLog


class PlacedEvent(NamedTuple):
    """A logged event with its stamp."""

    event: NewEvent
    stamp: LogStamp


Callback = Callable[[Sequence[PlacedEvent]], Awaitable[None]]  # never raises


class Outbox:
    """Logs and publishes events. If a node is killed between the two, the other nodes read the events from the logs."""

    def __init__(self, database: Database, log: RoomLog, fanout: Fanout) -> None:
        self._database = database
        self._log = log
        self._fanout = fanout
        self._callbacks: list[Callback] = []

    def on_published(self, callback: Callback) -> None:
        """Call `callback` with the events that this node publishes."""
        self._callbacks.append(callback)

    @asynccontextmanager
    async def change(self, call: str, *rooms: Room) -> AsyncIterator[list[NewEvent]]:
        """Open a transaction; events appended to the list are logged in it, and published after the commit.

        `call` is the name of the change in the metrics. On this node, changes of the same room run one after the other,
        including the publication. An error rolls everything back. Raises NotFound for a room of an unknown stream, and
        Unavailable.
        """
        outgoing: list[NewEvent] = []
        async with self._log.local_lock(*rooms):
            async with self._database.guard(call), self._database.transaction():
                yield outgoing
                placed = await self.append(outgoing)
            await self.publish(placed)

    async def append(self, outgoing: Sequence[NewEvent]) -> list[PlacedEvent]:
        """Log events in the next places of their rooms. Call it once in a transaction, after its other locks."""
        stamps = await self._log.append(outgoing)
        return [PlacedEvent(event, stamp) for event, stamp in zip(outgoing, stamps, strict=True)]

    async def publish(self, placed: Sequence[PlacedEvent]) -> None:
        """Publish logged events after the commit: concurrently, so that the fan-out makes one round trip."""
        published = [self._fanout.publish(*event, stamp) for event, stamp in placed]
        await asyncio.gather(*published, *(callback(placed) for callback in self._callbacks))
