"""Pub/sub channels of one Redis server: delivers each publication once, in one order. Used by RedisFanout."""

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import structlog

from gateway.concurrency.availability import Hearing, ServerStatus
from gateway.keys import node_channel
from gateway.realtime.fanout.publisher import Publisher
from gateway.realtime.fanout.subscriber import Subscriber
from gateway.redis.client import PubSubServer

log = structlog.get_logger()

STALE = 4.0  # s without receiving its own canary, after which a node is unhealthy
MISSED = 3  # canaries in a row that may be missing before both connections are renewed
CANARIES = 100  # canaries on their way that are remembered
SOURCES = 1000  # other publishers whose newest number is remembered
DIGITS = 18  # digits of a publication's number at most; no node reaches so many


class ChannelCallbacks(NamedTuple):
    """Callbacks of channels. They neither wait nor raise."""

    deliver: Callable[[str, bytes, int | None], None]  # channel, packet, place in the room's log
    lost: Callable[[], None]  # publications of other nodes may be missing from now on
    restored: Callable[[], None]  # publications arrive again


class Channels(Protocol):
    """Pub/sub between the nodes, over one server or a cluster."""

    @property
    def status(self) -> ServerStatus:
        """`up` if everything published arrives here, judging by canaries; `partial` if only on some servers."""
        ...

    @property
    def degraded(self) -> bool:
        """Whether something published here may have reached only this node since `lost`."""
        ...

    @property
    def hearing(self) -> Hearing:
        """When the canaries were sent that have returned or are missing."""
        ...

    async def start(self) -> None:
        """Start to receive and to publish. Servers that are unavailable are no error."""

    async def close(self) -> None:
        """Stop receiving and publishing; publications that are queued are delivered on this node."""

    async def subscribe(self, channel: str) -> None:
        """Subscribe to a channel; return when that is confirmed or timed out. After a time-out it is retried."""

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""

    async def publish(self, channel: str, packet: bytes, seq: int | None, *, confirmed: bool = False) -> None:
        """Publish a packet, in the order of the calls. Never raises.

        Returns immediately unless the queue is long; with `confirmed`, when the server has confirmed it or has failed.
        """


class RedisChannels:
    """The channels of one server. See Channels.

    A publication is `source:number`, for a logged event `/seq`, a line feed, and the encoded packet. Every node
    delivers what it receives from Redis, the publisher included, so all deliver in one order. Publications of this node
    that have not come back yet are in `_pending`. Each is delivered from there once: when it comes back, or when the
    subscription or Redis is lost. So clients of this node get each of them exactly once, even if Redis loses it.
    """

    def __init__(
        self,
        server: PubSubServer,
        node_id: str,
        callbacks: ChannelCallbacks,
        always: Iterable[str] = (),
        canary: str | None = None,
    ) -> None:
        self.degraded = False
        self._callbacks = callbacks
        self._source = f"{node_id}.{secrets.token_hex(4)}".encode()  # unique to this object
        self._number = 0
        self._pending: deque[tuple[int, str, bytes, int | None]] = deque()
        self._numbers: dict[bytes, int] = {}  # the newest number received from each other source
        self.canary = canary or node_channel(self._source.decode())
        self.hearing = Hearing()
        self._canaries: deque[tuple[int, float]] = deque(maxlen=CANARIES)  # numbers and moments of those on their way
        self._canary_at = 0.0
        self._missed = 0  # canaries since then, while both connections seemed to work
        self._publisher = Publisher(server, self._next_canary, self._lost)
        self._subscriber = Subscriber(server, [*always, self.canary], self._received, self._lost)
        server.on_new_master(self._renew)

    async def start(self) -> None:
        """See Channels."""
        await self._subscriber.start()
        await self._publisher.start()
        self._canary_at = time.monotonic()

    async def close(self) -> None:
        """See Channels."""
        await self._publisher.close()
        await self._subscriber.close()

    @property
    def status(self) -> ServerStatus:
        """See Channels; never `partial`."""
        fresh = time.monotonic() - self._canary_at < STALE
        return "up" if fresh and self._subscriber.connected and not self._publisher.away else "down"

    async def subscribe(self, channel: str) -> None:
        """See Channels."""
        await self._subscriber.subscribe(channel)

    def unsubscribe(self, channel: str) -> None:
        """See Channels."""
        self._subscriber.unsubscribe(channel)

    async def publish(self, channel: str, packet: bytes, seq: int | None, *, confirmed: bool = False) -> None:
        """See Channels."""
        data = self._numbered(packet, seq)
        if self._subscriber.connected and not self._publisher.away:
            self._pending.append((self._number, channel, packet, seq))
        else:
            self._callbacks.deliver(channel, packet, seq)
        self._publisher.publish(channel, data)
        if confirmed or self._publisher.congested:
            await self._publisher.settled()

    def _numbered(self, packet: bytes, seq: int | None = None) -> bytes:
        self._number += 1
        if seq is None:
            return b"%b:%d\n%b" % (self._source, self._number, packet)
        return b"%b:%d/%d\n%b" % (self._source, self._number, seq, packet)

    def _next_canary(self) -> tuple[str, bytes]:
        if self._subscriber.connected and not self._publisher.away:
            self._missed += 1
        if self._missed > MISSED:
            # After a failover behind one address, the two connections may lead to different servers.
            log.warning("canaries do not return, reconnecting")
            self._renew()
        data, now = self._numbered(b""), time.monotonic()
        self._canaries.append((self._number, now))
        self.hearing = self.hearing.asked(now)
        return self.canary, data

    def _renew(self) -> None:
        self._missed = 0
        self._publisher.renew()
        self._subscriber.renew()

    # --- receiving ----------------------------------------------------------------------------------------------------

    def _received(self, channel: str, data: bytes) -> None:
        head, _, packet = data.partition(b"\n")
        source, _, numbers = head.rpartition(b":")
        number, _, place = numbers.partition(b"/")
        if not source or not _is_number(number) or (place and not _is_number(place)):
            log.debug("foreign publication ignored", channel=channel)
        elif source == self._source:
            self._received_own(int(number))
        elif int(number) > self._numbers.get(source, 0):  # else its node published it again after a lost connection
            if source not in self._numbers and len(self._numbers) >= SOURCES:
                del self._numbers[next(iter(self._numbers))]
            self._numbers[source] = int(number)
            self._callbacks.deliver(channel, packet, int(place) if place else None)

    def _received_own(self, number: int) -> None:
        self._canary_at = time.monotonic()
        self._missed = 0
        while self._canaries and self._canaries[0][0] <= number:
            _, asked = self._canaries.popleft()
            self.hearing = Hearing(asked, self._canaries[0][1] if self._canaries else None)
        if self.degraded and self._subscriber.connected:
            self.degraded = False
            self._callbacks.restored()
        # Redis keeps the order: older ones that did not come back went to rooms without members on this node.
        while self._pending and self._pending[0][0] <= number:
            own, channel, packet, seq = self._pending.popleft()
            if own == number:
                self._callbacks.deliver(channel, packet, seq)

    def _lost(self) -> None:
        """Deliver pending publications on this node: the subscription or Redis is lost."""
        self.degraded = True
        self._missed = 0
        self._callbacks.lost()
        while self._pending:
            _, channel, packet, seq = self._pending.popleft()
            self._callbacks.deliver(channel, packet, seq)


def _is_number(digits: bytes) -> bool:
    return digits.isdigit() and len(digits) <= DIGITS
