"""Broadcasts to rooms over all nodes: the contract, and a fan-out within one process. Services publish through it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from gateway.keys import Room
from gateway.protocol.wire import Payload
from gateway.realtime.notices import N, Notice, NoticeSender, NoticeSource, decode, encode
from gateway.realtime.packets import event_packet

log = structlog.get_logger()

HANDLER_TIMEOUT = 5.0  # s that the handler of a notice may take


class Local(Protocol):
    """The sockets of this node."""

    def deliver(self, room: Room, packet: bytes, offset: str | None = None) -> None:
        """Hand a ready Socket.IO packet to every member on this node. Never raises, never waits.

        `offset` is that of a logged event; members that take one get it as the event's last argument.
        """


class Fanout(NoticeSender, Protocol):
    """Sends what a room hears to every node that has members of it, in one order for all of them. Used by services."""

    async def publish(self, room: Room, event: str, payload: Payload, seq: int | None = None) -> None:
        """Broadcast to a room, after all that was published before. Never raises; waits only while too much does.

        `seq`: the event's place in the room's log. Those are delivered in the order of their places, whoever publishes
        them in whatever order, and a node that misses one reads it from the log.
        """


class NodeFanout(Fanout, NoticeSource, Protocol):
    """The fan-out as the rooms of a node and its composition root know it."""

    async def watch(self, room: Room) -> None:
        """A room has members on this node: everything published after this returns will be delivered to them.

        While the servers between the nodes are away it returns after a short while, and the room is heard later.
        """

    def unwatch(self, room: Room) -> None:
        """A room has no members on this node any more."""

    @property
    def healthy(self) -> bool:
        """Whether this node hears the others; False is a reason to take it out of service."""
        ...


class NoticeHandlers:
    """The handlers of each kind of notice."""

    def __init__(self) -> None:
        self._handlers: dict[type[Notice], list[Callable[[Any], Awaitable[None]]]] = {}

    def add(self, kind: type[N], handler: Callable[[N], Awaitable[None]]) -> None:
        """Call `handler` with every notice of a kind."""
        self._handlers.setdefault(kind, []).append(handler)

    async def call(self, notice: Notice) -> None:
        """Call the handlers of a notice. One that raises or hangs is logged and left: the next notice must arrive."""
        for handler in self._handlers.get(type(notice), ()):
            try:
                async with asyncio.timeout(HANDLER_TIMEOUT):
                    await handler(notice)
            except Exception:
                log.exception("a notice could not be handled", kind=notice.kind)


class LocalFanout:
    """The fan-out of a node that is alone; the double for tests."""

    healthy = True

    def __init__(self, local: Local) -> None:
        self._local = local
        self._handlers = NoticeHandlers()

    async def publish(self, room: Room, event: str, payload: Payload, seq: int | None = None) -> None:  # noqa: ARG002
        """See Fanout; there is nobody else whose events could come first."""
        self._local.deliver(room, event_packet(room.namespace, event, payload))

    async def watch(self, room: Room) -> None:
        """See Fanout; nothing has to be done to hear oneself."""

    def unwatch(self, room: Room) -> None:
        """See Fanout; nothing has to be done to hear oneself."""

    async def notify(self, notice: Notice) -> None:
        """See Fanout. It takes the same form on its way as between nodes."""
        if (received := decode(encode(notice))) is not None:
            await self._handlers.call(received)

    def on_notice(self, kind: type[N], handler: Callable[[N], Awaitable[None]]) -> None:
        """See Fanout."""
        self._handlers.add(kind, handler)
