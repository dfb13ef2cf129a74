"""What one Redis server carries between the nodes: numbered, heard once, in one order. Used by fanout_redis."""

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import structlog

from gateway.keys import node_channel
from gateway.realtime.fanout.publisher import Publisher
from gateway.realtime.fanout.subscriber import Subscriber
from gateway.redis.client import PubSubServer

log = structlog.get_logger()

STALE = 4.0  # s without hearing the own canary, after which a node calls itself deaf
MISSED = 3  # canaries in a row that may not come back before both connections are made anew
SOURCES = 1000  # runs of other nodes that are remembered
DIGITS = 18  # of a number: more than any node lives to publish


class ChannelCallbacks(NamedTuple):
    """What is called with what comes. None of them waits or raises."""

    deliver: Callable[[str, bytes, int | None], None]  # channel, packet, place in the room's log
    lost: Callable[[], None]  # some of what the other nodes published may not come
    well: Callable[[], None]  # that is over


class Channels(Protocol):
    """The way between the nodes: those of one server, or of a cluster's."""

    @property
    def healthy(self) -> bool:
        """Whether everything published arrives here, as far as the own canaries tell."""
        ...

    @property
    def degraded(self) -> bool:
        """Whether something published here may have reached only this node since `lost`."""
        ...

    async def start(self) -> None:
        """Begin to hear and to publish; servers being away is no failure."""

    async def close(self) -> None:
        """Neither hear nor publish any more; what waits is delivered on this node."""

    async def subscribe(self, channel: str) -> None:
        """Hear a channel; returns when that is confirmed, or when it takes too long: it goes on trying."""

    def unsubscribe(self, channel: str) -> None:
        """Hear a channel no more."""

    async def publish(self, channel: str, packet: bytes, seq: int | None, *, confirmed: bool = False) -> None:
        """Publish, in the order of the calls. Never raises.

        Returns at once, unless many wait. `confirmed`: when the server has confirmed it, or when it takes nothing.
        """


class RedisChannels:
    """See Channels; those of one server.

    What is published is `source:number`, for a logged event `/seq`, a line feed, and the ready packet. Every node
    delivers what comes back through Redis, the publishing one too: so all have one order. What this node published and
    has not heard yet is in `_unheard`. It is delivered from there once: when it is heard, or when the subscription or
    Redis is lost. So nobody on this node misses or gets twice what was published here, whatever Redis made of it.
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
        self._source = f"{node_id}.{secrets.token_hex(4)}".encode()  # these channels of this run of the node
        self._number = 0
        self._unheard: deque[tuple[int, str, bytes, int | None]] = deque()
        self._numbers: dict[bytes, int] = {}  # the newest heard of each other source
        self.canary = canary or node_channel(self._source.decode())
        self._heard_at = 0.0
        self._missed = 0  # canaries since then, while both connections seemed well
        self._publisher = Publisher(server, self._next_canary, self._lost)
        self._subscriber = Subscriber(server, [*always, self.canary], self._heard, self._lost)
        server.on_new_master(self._renew)

    async def start(self) -> None:
        """See Channels."""
        await self._subscriber.start()
        await self._publisher.start()
        self._heard_at = time.monotonic()

    async def close(self) -> None:
        """See Channels."""
        await self._publisher.close()
        await self._subscriber.close()

    @property
    def healthy(self) -> bool:
        """See Channels."""
        fresh = time.monotonic() - self._heard_at < STALE
        return fresh and self._subscriber.connected and not self._publisher.away

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
            self._unheard.append((self._number, channel, packet, seq))
        else:
            self._callbacks.deliver(channel, packet, seq)
        self._publisher.publish(channel, data)
        if confirmed or self._publisher.crowded:
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
            # After a failover behind one address, one connection may be at the new server and one at the old.
            log.warning("what this node publishes does not come back: it connects anew")
            self._renew()
        return self.canary, self._numbered(b"")

    def _renew(self) -> None:
        self._missed = 0
        self._publisher.renew()
        self._subscriber.renew()

    # --- hearing ------------------------------------------------------------------------------------------------------

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
            self._callbacks.deliver(channel, packet, int(place) if place else None)

    def _heard_own(self, number: int) -> None:
        self._heard_at = time.monotonic()
        self._missed = 0
        if self.degraded and self._subscriber.connected:
            self.degraded = False
            self._callbacks.well()
        # Redis keeps the order: what is older and was not heard went to a room that nobody here was in.
        while self._unheard and self._unheard[0][0] <= number:
            own, channel, packet, seq = self._unheard.popleft()
            if own == number:
                self._callbacks.deliver(channel, packet, seq)

    def _lost(self) -> None:
        """The subscription or Redis itself is lost: this node's own people get at least what was published here."""
        self.degraded = True
        self._missed = 0
        self._callbacks.lost()
        while self._unheard:
            _, channel, packet, seq = self._unheard.popleft()
            self._callbacks.deliver(channel, packet, seq)


def _is_number(digits: bytes) -> bool:
    return digits.isdigit() and len(digits) <= DIGITS
