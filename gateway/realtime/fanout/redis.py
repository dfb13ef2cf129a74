"""The fan-out over Redis: a channel per room, encoded packets, one order on every node. Services publish through it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from gateway.concurrency.availability import Hearing, ServerStatus
from gateway.concurrency.tasks import cancel
from gateway.keys import Room, control_channel, room_channel
from gateway.metrics import Metrics
from gateway.protocol.wire import Payload
from gateway.realtime.fanout.channels import ChannelCallbacks, Channels, RedisChannels
from gateway.realtime.fanout.cluster import ClusterChannels
from gateway.realtime.fanout.fanout import Local, NoticeHandlers
from gateway.realtime.fanout.sequencer import Sequencer
from gateway.realtime.logged import Log, LogStamp, Place, timed
from gateway.realtime.notices import MalformedNotice, N, Notice, StreamBegan, decode, encode
from gateway.realtime.packets import event_packet, stamped_packet
from gateway.redis.client import RedisClient

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.instruments import Counter

log = structlog.get_logger()

LINGER = 5.0  # s for which a room stays subscribed after its last member left: people reload pages
NOTICES = 1000  # notices that may wait for their handlers


class RedisFanout:
    """The fan-out of a node, over Redis. See Fanout, NoticeSource, and Watcher of the rooms.

    Packets go over the channels of one server or of a cluster. Logged events pass the sequencer, which delivers them
    in the order of their places and reads from the log what Redis has lost. This node's own logged events that are next
    in their room are delivered without waiting for Redis to return them.
    """

    def __init__(self, redis: RedisClient, local: Local, node_id: str, metrics: Metrics, log: Log) -> None:
        self._local = local
        self._metrics = metrics
        self._counters: dict[str, Counter] = {}  # by event
        self._rooms: dict[str, Room] = {}  # by subscribed channel
        self._lingering: dict[Room, asyncio.TimerHandle] = {}
        self._handlers = NoticeHandlers()
        self._handlers.add(StreamBegan, self._begin_stream)
        self._notices: asyncio.Queue[bytes] = asyncio.Queue(NOTICES)
        self._reported: set[str] = set()  # reasons for which a notice was ignored
        self._sequencer = Sequencer(log, self._hand_over, metrics)
        self._own: list[tuple[Room, int, bytes]] = []  # logged events published in this tick, in order
        self._losses = 0
        self._channels = _channels(redis, node_id, ChannelCallbacks(self._deliver, self._lost, self._restored))
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to receive and to publish. Redis being unavailable is no error."""
        self._task = asyncio.create_task(self._handle_notices(), name="fanout-notices")
        await self._sequencer.start()
        await self._channels.start()

    async def close(self) -> None:
        """Stop receiving and publishing; publications that are queued are delivered on this node."""
        for timer in self._lingering.values():
            timer.cancel()
        await self._channels.close()
        await self._sequencer.close()
        await cancel(self._task)

    @property
    def healthy(self) -> bool:
        """Whether this node receives what others publish; if not, it should be taken out of service."""
        return self.status == "up"

    @property
    def status(self) -> ServerStatus:
        """See Channels."""
        return self._channels.status

    @property
    def hearing(self) -> Hearing:
        """Which of this node's canaries came back."""
        return self._channels.hearing

    @property
    def losses(self) -> int | None:
        """How often this node may have missed publications of others; None while it does not receive them."""
        return self._losses if self.healthy else None

    # --- rooms ------------------------------------------------------------------------------------------------------

    async def watch(self, room: Room) -> None:
        """See Watcher. While Redis is unavailable it returns after a time-out, and subscribes later."""
        if (timer := self._lingering.pop(room, None)) is not None:
            timer.cancel()
        channel = room_channel(room)
        self._rooms[channel] = room
        await self._channels.subscribe(channel)
        await self._sequencer.watch(room)

    def unwatch(self, room: Room) -> None:
        """See Watcher."""
        if room_channel(room) in self._rooms and room not in self._lingering:
            self._lingering[room] = asyncio.get_running_loop().call_later(LINGER, self._drop, room)

    def _drop(self, room: Room) -> None:
        del self._lingering[room]
        channel = room_channel(room)
        del self._rooms[channel]
        self._sequencer.forget(room)
        self._channels.unsubscribe(channel)

    def place(self, room: Room) -> Place | None:
        """Return the place of the last logged event of a watched room delivered here; None if it has no log."""
        return self._sequencer.place(room)

    def began(self, room: Room) -> "datetime | None":
        """Return when the stream of a watched room went live first; None if it has not, or if that is not known yet."""
        return self._sequencer.began(room)

    def host(self, room: Room) -> str | None:
        """Return the host of the stream of a watched room; None if it is not known."""
        return self._sequencer.host(room)

    async def reach(self, room: Room, seq: int, within: float) -> bool:
        """Wait up to `within` s until a watched room's events up to `seq` are delivered; return whether they are."""
        return await self._sequencer.reach(room, seq, within)

    # --- publishing -------------------------------------------------------------------------------------------------

    async def publish(self, room: Room, event: str, payload: Payload, stamp: LogStamp | None = None) -> None:
        """See Fanout."""
        if stamp is None:
            self._count(event)
            await self._channels.publish(room_channel(room), event_packet(room.namespace, event, payload), None)
        else:
            await self.publish_encoded(room, event, payload.model_dump_json(), stamp)

    async def publish_encoded(self, room: Room, event: str, payload: str, stamp: LogStamp) -> None:
        """See Fanout."""
        self._count(event)
        packet, channel = stamped_packet(room, event, payload, stamp), room_channel(room)
        await self._channels.publish(channel, packet, stamp.seq)
        if channel in self._rooms:
            self._own.append((room, stamp.seq, packet))
            if len(self._own) == 1:
                # Two ticks later the acks of these events are queued, so that a sender gets both in one write.
                loop = asyncio.get_running_loop()
                loop.call_soon(loop.call_soon, self._deliver_own)

    def _count(self, event: str) -> None:
        counter = self._counters.get(event)
        if counter is None:
            counter = self._counters[event] = self._metrics.published.labels(event)
        counter.inc()

    async def notify(self, notice: Notice) -> None:
        """See Fanout."""
        await self._channels.publish(control_channel(), encode(notice), None, confirmed=True)

    def on_notice(self, kind: type[N], handler: Callable[[N], Awaitable[None]]) -> None:
        """See Fanout."""
        self._handlers.add(kind, handler)

    # --- receiving --------------------------------------------------------------------------------------------------

    def _lost(self) -> None:
        self._losses += 1
        self._metrics.degraded.set(1)

    def _restored(self) -> None:
        self._sequencer.check()
        if not self._channels.degraded:
            self._metrics.degraded.set(0)

    def _deliver(self, channel: str, packet: bytes, seq: int | None) -> None:
        if (room := self._rooms.get(channel)) is not None:
            if seq is None:
                self._hand_over(room, timed(packet, self.began(room)))
            else:
                self._sequencer.offer(room, seq, packet)
        elif channel == control_channel():
            try:
                self._notices.put_nowait(packet)
            except asyncio.QueueFull:
                self._losses += 1
                self._ignored("overflow", "the queue is full")

    def _deliver_own(self) -> None:
        own, self._own = self._own, []
        for room, seq, packet in own:
            self._sequencer.offer_next(room, seq, packet)

    async def _begin_stream(self, notice: StreamBegan) -> None:
        self._sequencer.begin_stream(notice.stream_key, notice.began)

    def _hand_over(self, room: Room, packet: bytes, offset: str | None = None) -> None:
        try:
            self._local.deliver(room, packet, offset)
        except Exception:
            log.exception("broadcast delivery failed", room=room)

    async def _handle_notices(self) -> None:
        while True:
            packet = await self._notices.get()
            try:
                notice = decode(packet)
            except MalformedNotice as error:
                self._ignored("malformed", str(error))
                continue
            if notice is None:
                self._ignored("unknown", "a newer version of the gateway may have sent it")
            else:
                await self._handlers.call(notice)

    def _ignored(self, reason: str, detail: str) -> None:
        """Count a notice that is not handled, and log the first one of each reason."""
        self._metrics.notices_ignored.labels(reason).inc()
        if reason not in self._reported:
            self._reported.add(reason)
            log.warning("notice ignored", reason=reason, detail=detail)


def _channels(redis: RedisClient, node_id: str, callbacks: ChannelCallbacks) -> Channels:
    always = [control_channel()]
    if redis.cluster is not None:
        return ClusterChannels(redis.cluster, node_id, callbacks, always)
    return RedisChannels(redis, node_id, callbacks, always)
