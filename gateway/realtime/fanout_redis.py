"""Broadcasts over Redis: a channel per room, ready packets, one order on every node. Services publish through it."""

import asyncio
import json
import secrets
from collections import deque
from contextlib import suppress
from typing import Any

import structlog

from gateway.connections.redis import Redis
from gateway.keys import Room, control_channel, node_channel, room_channel
from gateway.metrics import Metrics
from gateway.protocol.wire import Payload
from gateway.realtime.fanout import Handler, Local, Notices
from gateway.realtime.logged import Log, Place
from gateway.realtime.packets import event_packet
from gateway.realtime.publisher_redis import Publisher
from gateway.realtime.sequence import Sequencer
from gateway.realtime.subscriber_redis import Subscriber

log = structlog.get_logger()

LINGER = 5.0  # s a room is still heard after its last member left: people reload pages
STALE = 4.0  # s without hearing the own canary, after which a node calls itself deaf
SOURCES = 1000  # runs of other nodes that are remembered
DIGITS = 18  # of a number: more than any node lives to publish
NOTICES = 1000  # that may wait for their handlers


class RedisFanout:
    """See Fanout.

    What is published is `source:number`, for a logged event `/seq`, a line feed, and the ready packet. Every node
    delivers what comes back through Redis, the publishing one too: so all have one order. What this node published and
    has not heard yet is in `_unheard`. It is delivered from there once: when it is heard, or when the subscription or
    Redis is lost. So nobody on this node misses or gets twice what was published here, whatever Redis made of it.
    Logged events go through the sequencer, which knows their order by itself and finds what Redis has lost.
    """

    def __init__(self, redis: Redis, local: Local, node_id: str, metrics: Metrics, log: Log) -> None:
        self._local = local
        self._metrics = metrics
        self._source = f"{node_id}.{secrets.token_hex(4)}".encode()  # this run of the node
        self._number = 0
        self._unheard: deque[tuple[int, str, bytes, int | None]] = deque()
        self._rooms: dict[str, Room] = {}  # by channel, while they are heard
        self._numbers: dict[bytes, int] = {}  # the newest heard of each other source
        self._lingering: dict[Room, asyncio.TimerHandle] = {}
        self._notices = Notices()
        self._told: asyncio.Queue[bytes] = asyncio.Queue(NOTICES)
        self._canary = node_channel(self._source.decode())
        self._heard_at = 0.0
        self._degraded = False
        self._sequencer = Sequencer(log, self._hand_over, metrics)
        self._losses = 0
        self._publisher = Publisher(redis, self._next_canary, self._lost)
        self._subscriber = Subscriber(redis, [control_channel(), self._canary], self._heard, self._lost)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to hear and to publish; Redis being away is no failure."""
        self._task = asyncio.create_task(self._handle_notices(), name="fanout-notices")
        await self._sequencer.start()
        await self._subscriber.start()
        await self._publisher.start()
        self._heard_at = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Neither hear nor publish any more; what waits is delivered on this node."""
        for timer in self._lingering.values():
            timer.cancel()
        await self._publisher.close()
        await self._subscriber.close()
        await self._sequencer.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def healthy(self) -> bool:
        """See Fanout."""
        fresh = asyncio.get_running_loop().time() - self._heard_at < STALE
        return fresh and self._subscriber.connected and not self._publisher.away

    @property
    def losses(self) -> int | None:
        """How often this node may have missed what the others told; None while it does not hear them."""
        return self._losses if self.healthy else None

    # --- rooms ------------------------------------------------------------------------------------------------------

    async def watch(self, room: Room) -> None:
        """See Fanout."""
        if (timer := self._lingering.pop(room, None)) is not None:
            timer.cancel()
        channel = room_channel(room)
        self._rooms[channel] = room
        await self._subscriber.subscribe(channel)
        await self._sequencer.watch(room)

    def unwatch(self, room: Room) -> None:
        """See Fanout."""
        if room_channel(room) in self._rooms and room not in self._lingering:
            self._lingering[room] = asyncio.get_running_loop().call_later(LINGER, self._drop, room)

    def _drop(self, room: Room) -> None:
        del self._lingering[room]
        channel = room_channel(room)
        del self._rooms[channel]
        self._sequencer.forget(room)
        self._subscriber.unsubscribe(channel)

    def place(self, room: Room) -> Place | None:
        """Up to where the logged events of a watched room were delivered on this node; None if it has none."""
        return self._sequencer.place(room)

    async def reach(self, room: Room, seq: int, within: float) -> bool:
        """Wait until a watched room's events up to a place were delivered; whether that is so after `within` s."""
        return await self._sequencer.reach(room, seq, within)

    # --- publishing -------------------------------------------------------------------------------------------------

    async def publish(self, room: Room, event: str, payload: Payload, seq: int | None = None) -> None:
        """See Fanout."""
        self._metrics.published.labels(event).inc()
        await self._publish(room_channel(room), event_packet(room.namespace, event, payload), seq)

    async def notify(self, kind: str, body: dict[str, Any]) -> None:
        """See Fanout."""
        await self._publish(control_channel(), json.dumps([kind, body]).encode())

    def on_notice(self, kind: str, handler: Handler) -> None:
        """See Fanout."""
        self._notices.on(kind, handler)

    async def _publish(self, channel: str, packet: bytes, seq: int | None = None) -> None:
        data = self._numbered(packet, seq)
        if self._subscriber.connected and not self._publisher.away:
            self._unheard.append((self._number, channel, packet, seq))
        else:
            self._deliver(channel, packet, seq)
        await self._publisher.publish(channel, data)

    def _numbered(self, packet: bytes, seq: int | None = None) -> bytes:
        self._number += 1
        if seq is None:
            return b"%b:%d\n%b" % (self._source, self._number, packet)
        return b"%b:%d/%d\n%b" % (self._source, self._number, seq, packet)

    def _next_canary(self) -> tuple[str, bytes]:
        return self._canary, self._numbered(b"")

    # --- hearing ----------------------------------------------------------------------------------------------------

    def _heard(self, channel: str, data: bytes) -> None:
        head, _, packet = data.partition(b"\n")
        source, _, numbers = head.rpartition(b":")
        number, _, place = numbers.partition(b"/")
        if not source or not _is_number(number) or (place and not _is_number(place)):
            log.debug("something else was published on a channel of ours", channel=channel)
        elif source == self._source:
            self._heard_own(int(number))
        elif int(number) > self._numbers.get(source, 0):  # else its node was not sure and published it again
            if source not in self._numbers and len(self._numbers) >= SOURCES:
                del self._numbers[next(iter(self._numbers))]
            self._numbers[source] = int(number)
            self._deliver(channel, packet, int(place) if place else None)

    def _heard_own(self, number: int) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if self._degraded and self._subscriber.connected:
            self._degraded = False
            self._metrics.degraded.set(0)
            self._sequencer.check()
        # Redis keeps the order: what is older and was not heard went to a room that nobody here was in.
        while self._unheard and self._unheard[0][0] <= number:
            own, channel, packet, seq = self._unheard.popleft()
            if own == number:
                self._deliver(channel, packet, seq)

    def _lost(self) -> None:
        """The subscription or Redis itself is lost: this node's own people get at least what was published here."""
        self._degraded = True
        self._losses += 1
        self._metrics.degraded.set(1)
        while self._unheard:
            _, channel, packet, seq = self._unheard.popleft()
            self._deliver(channel, packet, seq)

    def _deliver(self, channel: str, packet: bytes, seq: int | None) -> None:
        if (room := self._rooms.get(channel)) is not None:
            if seq is None:
                self._hand_over(room, packet)
            else:
                self._sequencer.offer(room, seq, packet)
        elif channel == control_channel():
            try:
                self._told.put_nowait(packet)
            except asyncio.QueueFull:
                self._losses += 1
                log.error("a notice was dropped: too many wait")  # noqa: TRY400  the trace would say nothing

    def _hand_over(self, room: Room, packet: bytes) -> None:
        try:
            self._local.deliver(room, packet)
        except Exception:
            log.exception("a broadcast could not be delivered", room=room)

    async def _handle_notices(self) -> None:
        while True:
            packet = await self._told.get()
            try:
                kind, body = json.loads(packet)
                await self._notices.tell(kind, body)
            except (ValueError, TypeError):
                log.warning("a notice could not be read")


def _is_number(digits: bytes) -> bool:
    return digits.isdigit() and len(digits) <= DIGITS
