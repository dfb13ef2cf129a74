"""The polling transport of one connection: queues packets for the client's next GET. Created by the engine."""

import asyncio
from typing import Final

from aiohttp import web

from gateway.realtime.engineio.options import EngineOptions
from gateway.realtime.engineio.tick import Cork
from gateway.realtime.engineio.transports.frame import CLOSE, NOOP, PING, SEPARATOR, Frame
from gateway.realtime.engineio.transports.transport import CLIENT_LEFT, NULL_LISTENER, SLOW_CLIENT, TransportListener

DISCONNECT_CHECK: Final = 1.0  # s between two checks whether the client of an open poll has disconnected


class DuplicatePollError(Exception):
    """A poll arrived while another one was open."""


class Polling:
    """A bounded queue of packets and at most one open GET that waits for them."""

    __slots__ = ("_cork", "_ended", "_limit", "_listener", "_packets", "_request", "_size", "_waiter")

    def __init__(self, options: EngineOptions, cork: Cork) -> None:
        self._cork = cork
        self._limit = options.max_send_buffer
        self._listener: TransportListener = NULL_LISTENER
        self._packets: list[str] = []
        self._size = 0  # bytes in _packets
        self._request: web.Request | None = None  # the open GET
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False

    def listen(self, listener: TransportListener) -> None:
        """Report to this listener from now on."""
        self._listener = listener

    # --- the client's side --------------------------------------------------------------------------------------------

    async def poll(self, request: web.Request) -> str:
        """Return the payload for a GET: all queued packets, or wait for some. Raises DuplicatePollError.

        A close packet is left for the next GET if there are others. Official clients deliver the events of an answer
        after they have handled its close: only when they are connected again, and a second time if they are recovered.
        """
        if self._waiter is not None:
            raise DuplicatePollError
        if not self._packets and not self._ended:
            self._request = request
            self._waiter = asyncio.get_running_loop().create_future()
            self._listener.reschedule()
            try:
                await self._waiter
            finally:
                self._request = self._waiter = None
        if request.transport is None:
            listener = self._listener
            self.abort()
            listener.lost(CLIENT_LEFT)
        left = [self._packets.pop()] if self.splits else []
        packets, self._packets, self._size = self._packets, left, 0
        return SEPARATOR.join(packets) or NOOP

    @property
    def polled(self) -> bool:
        """Whether a GET is open."""
        return self._waiter is not None

    @property
    def splits(self) -> bool:
        """Whether a GET now leaves the close packet for another one."""
        return len(self._packets) > 1 and self._packets[-1] == CLOSE

    # --- the connection's side ----------------------------------------------------------------------------------------

    def push(self, packet: str) -> None:
        """See Transport."""
        self._push(packet, len(packet.encode(errors="replace")))

    def push_frame(self, frame: Frame) -> None:
        """See Transport."""
        self._push(frame.text, len(frame.websocket))

    write_frame = push_frame  # a poll is answered at the end of the tick

    def _push(self, packet: str, size: int) -> None:
        if self._ended:
            return
        if not self._packets:
            self._cork.add(self)
        self._packets.append(packet)
        self._size += size
        if self._size > self._limit:
            # In the next tick: this may run inside a broadcast, whose room must not change during the iteration.
            asyncio.get_running_loop().call_soon(self._listener.lost, SLOW_CLIENT)
            self.abort()

    def ping(self) -> None:
        """See Transport. The ping is queued behind other packets: one GET takes them all."""
        self.push(PING)

    def flush(self) -> None:
        """Answer the open GET, if any."""
        if self._waiter is not None and not self._waiter.done() and (self._packets or self._ended):
            self._waiter.set_result(None)

    def pause_reading(self) -> None:
        """See Transport. Nothing to do: a POST is answered when the inbox has space, and clients send one at a time."""

    def resume_reading(self) -> None:
        """See Transport."""

    def failure(self, now: float) -> str | None:  # noqa: ARG002
        """See Transport. Must be polled: aiohttp does not notify a handler of a client's disconnect."""
        return CLIENT_LEFT if self._request is not None and self._request.transport is None else None

    def check_at(self, now: float) -> float | None:
        """See Transport."""
        return now + DISCONNECT_CHECK if self._request is not None else None

    def retire(self) -> list[str]:
        """End after an upgrade: return the packets that are still queued, and answer an open GET with a NOOP."""
        packets, self._packets, self._size = self._packets, [], 0
        self._stop()
        return SEPARATOR.join(packets).split(SEPARATOR) if packets else []  # a JoinedFrame holds several packets

    def end(self, last: str, code: int, grace: float) -> None:  # noqa: ARG002
        """See Transport. Packets that no GET fetches within `grace` are lost."""
        self.push(last)
        self._stop()

    def abort(self) -> None:
        """See Transport."""
        self._packets = []
        self._stop()

    def _stop(self) -> None:
        self._ended = True
        self._listener = NULL_LISTENER
        self.flush()
