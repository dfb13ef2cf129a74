"""Hearts of viewers for streams: added up and broadcast, stored nowhere. Called by the `/streaming` namespace."""

import asyncio
from collections import Counter

from gateway.concurrency.tasks import cancel
from gateway.keys import viewers_room
from gateway.protocol import events
from gateway.protocol.payloads.streaming import Hearts as HeartsTold
from gateway.protocol.payloads.streaming import HeartsSent, SendHearts
from gateway.protocol.wire import Typed
from gateway.realtime.fanout.fanout import Fanout
from gateway.security.principal import Principal

EVERY = 1.0  # s between two broadcasts of one node to a room: hearts of a crowd are one event


class Hearts:
    """Adds up what viewers send through this node, and tells their room."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._sent: Counter[str] = Counter()  # by stream, since its last broadcast
        self._task: asyncio.Task[None] | None = None

    async def send(self, _principal: Principal, ask: SendHearts) -> HeartsSent:
        """Send hearts to a stream. They are broadcast within a second, added up, and are lost if the node stops."""
        self._sent[ask.stream_key] += ask.count
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="hearts")
        return HeartsSent(stream_key=ask.stream_key)

    async def close(self) -> None:
        """Drop what was not broadcast."""
        await cancel(self._task)

    async def _run(self) -> None:
        """Broadcast until nothing was sent for a while."""
        await asyncio.sleep(EVERY)
        while self._sent:
            sent, self._sent = self._sent, Counter()
            for key, count in sent.items():
                told = HeartsTold(stream_key=key, count=count)
                await self._fanout.publish(
                    viewers_room(key), events.STREAM_HEARTS, Typed(type=events.STREAM_HEARTS, data=told)
                )
            await asyncio.sleep(EVERY)
