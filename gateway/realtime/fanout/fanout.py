"""The fan-out's interface, which sends broadcasts and notices to all nodes, and its notice handlers on this node."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from gateway.keys import Room
from gateway.protocol.wire import Payload
from gateway.realtime.logged import LogStamp
from gateway.realtime.notices import N, Notice, NoticeSender

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

    async def publish(self, room: Room, event: str, payload: Payload, stamp: LogStamp | None = None) -> None:
        """Broadcast to a room, in the order of the calls. Never raises; waits only while the queue is long.

        `stamp` is that of a logged event, and becomes part of its payload. Logged events are delivered in the order of
        their places, whatever order they are published in, and a node that misses one reads it from the log.
        """

    async def publish_encoded(self, room: Room, event: str, payload: str, stamp: LogStamp) -> None:
        """Broadcast a logged event whose payload is JSON already, without its stamp. See `publish`."""


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
