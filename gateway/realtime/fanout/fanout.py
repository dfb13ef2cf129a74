"""Fan-out of broadcasts to rooms on all nodes: the interface, and one within a process. Services publish through it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from gateway.keys import Room
from gateway.protocol.wire import Payload
from gateway.realtime.logged import Stamp
from gateway.realtime.notices import N, Notice, NoticeSender, NoticeSource, decode, encode
from gateway.realtime.packets import event_packet, stamped_packet

log = structlog.get_logger()

HANDLER_TIMEOUT = 5.0  # s that the handler of a notice may take


class Local(Protocol):
    """The sockets of this node."""

    def deliver(self, room: Room, packet: bytes, offset: str | None = None) -> None:
        """Send an encoded Socket.IO packet to every member on this node. Neither raises nor waits.

        `offset` is that of a logged event; members that take offsets get it as the event's last argument.
        """


class Fanout(NoticeSender, Protocol):
    """Sends broadcasts to every node with members of the room, in the same order. Used by services."""

    async def publish(self, room: Room, event: str, payload: Payload, stamp: Stamp | None = None) -> None:
        """Broadcast to a room, in the order of the calls. Never raises; waits only while the queue is long.

        `stamp` is that of a logged event, and becomes part of its payload. Logged events are delivered in the order of
        their places, whatever order they are published in, and a node that misses one reads it from the log.
        """


class NodeFanout(Fanout, NoticeSource, Protocol):
    """The fan-out as the rooms of a node and the composition root use it."""

    async def watch(self, room: Room) -> None:
        """Subscribe to a room that has members on this node: what is published after the return will be delivered.

        While Redis is unavailable it returns after a time-out, and the subscription is made later.
        """

    def unwatch(self, room: Room) -> None:
        """Unsubscribe from a room that no longer has members on this node."""

    @property
    def healthy(self) -> bool:
        """Whether this node receives what others publish; if not, it should be taken out of service."""
        ...


class NoticeHandlers:
    """The handlers of each kind of notice."""

    def __init__(self) -> None:
        self._handlers: dict[type[Notice], list[Callable[[Any], Awaitable[None]]]] = {}

    def add(self, kind: type[N], handler: Callable[[N], Awaitable[None]]) -> None:
        """Call `handler` with every notice of a kind."""
        self._handlers.setdefault(kind, []).append(handler)

    async def call(self, notice: Notice) -> None:
        """Call the handlers of a notice. One that fails or takes too long is logged and does not stop the others."""
        for handler in self._handlers.get(type(notice), ()):
            try:
                async with asyncio.timeout(HANDLER_TIMEOUT):
                    await handler(notice)
            except Exception:
                log.exception("notice handler failed", kind=notice.kind)


class LocalFanout:
    """The fan-out of a single node, and the double for tests."""

    healthy = True

    def __init__(self, local: Local) -> None:
        self._local = local
        self._handlers = NoticeHandlers()

    async def publish(self, room: Room, event: str, payload: Payload, stamp: Stamp | None = None) -> None:
        """See Fanout. Delivered immediately: there are no other nodes whose events could come first."""
        if stamp is None:
            packet = event_packet(room.namespace, event, payload)
        else:
            packet = stamped_packet(room, event, payload, stamp)
        self._local.deliver(room, packet)

    async def watch(self, room: Room) -> None:
        """See Fanout; nothing has to be done to hear oneself."""

    def unwatch(self, room: Room) -> None:
        """See Fanout; nothing has to be done to hear oneself."""

    async def notify(self, notice: Notice) -> None:
        """See Fanout. Encodes and decodes the notice, as between nodes."""
        if (received := decode(encode(notice))) is not None:
            await self._handlers.call(received)

    def on_notice(self, kind: type[N], handler: Callable[[N], Awaitable[None]]) -> None:
        """See Fanout."""
        self._handlers.add(kind, handler)
