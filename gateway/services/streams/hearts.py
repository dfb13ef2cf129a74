"""Adds up and broadcasts the hearts of viewers, without storing them. Called by the `/streaming` namespace."""

import asyncio
from collections import Counter

from gateway.concurrency.tasks import cancel
from gateway.keys import viewers_room
from gateway.protocol import events
from gateway.protocol.payloads.streaming import Hearts as HeartsSum
from gateway.protocol.payloads.streaming import HeartsSent, SendHearts
from gateway.protocol.wire import Typed
from gateway.realtime.fanout.fanout import Fanout
from gateway.security.principal import Principal

EVERY = 1.0  # s between two broadcasts of one node to a room


class Hearts:
    """Adds up the hearts that viewers send through this node, and broadcasts the sums."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._sent: Counter[str] = Counter()  # by stream, since its last broadcast
        self._task: asyncio.Task[None] | None = None

    async def send(self, _principal: Principal, request: SendHearts) -> HeartsSent:
        """Send hearts to a stream. The sum is broadcast within a second; it is lost if the node stops."""
        self._sent[request.stream_key] += request.count
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="hearts")
        return HeartsSent(stream_key=request.stream_key)

    async def close(self) -> None:
        """Stop, and drop hearts that were not broadcast."""
        await cancel(self._task)

    async def _run(self) -> None:
        """Broadcast the sums, until no hearts were sent between two broadcasts."""
        await asyncio.sleep(EVERY)
        while self._sent:
            sent, self._sent = self._sent, Counter()
            for key, count in sent.items():
                payload = Typed(type=events.STREAM_HEARTS, data=HeartsSum(stream_key=key, count=count))
                await self._fanout.publish(viewers_room(key), events.STREAM_HEARTS, payload)
            await asyncio.sleep(EVERY)
