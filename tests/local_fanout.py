"""The fan-out within one process. Used by tests and by the benchmark of the engine."""

from collections.abc import Awaitable, Callable

from gateway.keys import Room
from gateway.protocol.wire import Payload
from gateway.realtime.fanout.fanout import Local, NoticeHandlers
from gateway.realtime.logged import LogStamp
from gateway.realtime.notices import N, Notice, decode, encode
from gateway.realtime.packets import event_packet, stamped_packet


class LocalFanout:
    """Delivers immediately, without other nodes."""

    healthy = True

    def __init__(self, local: Local) -> None:
        self._local = local
        self._handlers = NoticeHandlers()

    async def publish(self, room: Room, event: str, payload: Payload, stamp: LogStamp | None = None) -> None:
        """See Fanout."""
        if stamp is None:
            self._local.deliver(room, event_packet(room.namespace, event, payload))
        else:
            await self.publish_encoded(room, event, payload.model_dump_json(), stamp)

    async def publish_encoded(self, room: Room, event: str, payload: str, stamp: LogStamp) -> None:
        """See Fanout."""
        self._local.deliver(room, stamped_packet(room, event, payload, stamp))

    async def watch(self, room: Room) -> None:
        """See RedisFanout. There is nothing to subscribe to."""

    def unwatch(self, room: Room) -> None:
        """See RedisFanout. There is nothing to subscribe to."""

    async def notify(self, notice: Notice) -> None:
        """See Fanout. Encodes and decodes the notice, as between nodes."""
        if (received := decode(encode(notice))) is not None:
            await self._handlers.call(received)

    def on_notice(self, kind: type[N], handler: Callable[[N], Awaitable[None]]) -> None:
        """See NoticeSource."""
        self._handlers.add(kind, handler)
