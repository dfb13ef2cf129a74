"""The websocket transport: turns bytes of the event loop into Engine.IO packets and back. Created by the engine."""

import asyncio
from typing import Final

import structlog
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketReader
from aiohttp.http import WebSocketError, WSCloseCode

from gateway.realtime.engineio.options import GRACE, EngineOptions
from gateway.realtime.engineio.tick import Cork
from gateway.realtime.engineio.transports.compression import Compression, InflatingReader
from gateway.realtime.engineio.transports.frame import (
    NOOP,
    PING,
    Frame,
    close_frame,
    frame_queue,
    pong_frame,
    text_frame,
)
from gateway.realtime.engineio.transports.transport import (
    CLIENT_LEFT,
    NULL_LISTENER,
    OVERSIZE,
    PARSE_ERROR,
    SLOW_CLIENT,
    TRANSPORT_ERROR,
    TransportListener,
)
from gateway.realtime.engineio.turns import TURN

log = structlog.get_logger()

SLICE: Final = 4_096  # bytes to parse before checking whether the connection's turn is over, or its inbox is full
COMPRESSED_SLICE: Final = 256  # the same for compressed messages, where one byte may become a thousand
CHUNK: Final = 65_536  # bytes to write before checking whether the client keeps up; a ping waits behind no more
_PING: Final = text_frame(PING.encode())
_LAST_CODE: Final = 4999  # the largest code of a close frame (RFC 6455, 7.4.2)


class WebSocket(asyncio.Protocol):
    """A websocket without a task, timer or future: all work is done in callbacks of the event loop.

    Frames are queued and written in order at the end of the tick, in one write. While the kernel's buffer is full they
    stay queued: up to `max_send_buffer` bytes, and for `max_send_delay` s without progress.
    """

    # fmt: off
    __slots__ = (
        "_cork", "_delay", "_ending", "_limit", "_listener", "_out", "_paused", "_progress_at", "_reader",
        "_reading_paused", "_size", "_slice", "_transport", "_unread", "_unsent",
    )
    # fmt: on

    def __init__(
        self,
        transport: asyncio.Transport,
        options: EngineOptions,
        cork: Cork,
        reader: type[WebSocketReader] = WebSocketReader,
    ) -> None:
        self._transport = transport
        self._listener: TransportListener = NULL_LISTENER
        self._cork = cork
        # The reader refuses messages that reach its limit; ours may reach `max_packet_size`.
        compresses = reader is not WebSocketReader
        self._slice = COMPRESSED_SLICE if compresses else SLICE
        self._reader = reader(frame_queue, options.max_packet_size + 1, compress=compresses, decode_text=True)
        self._limit = options.max_send_buffer
        self._delay = options.max_send_delay
        self._out: list[bytes] = []
        self._size = 0  # bytes in _out
        self._paused = False  # the kernel's buffer is full
        self._unsent = 0  # bytes in the transport's buffer at the last progress
        self._progress_at = 0.0  # when that was
        self._ending = False  # nothing may be sent any longer
        self._reading_paused = False  # reading is paused
        self._unread = b""

    def start(self, head: bytes, rest: bytes) -> None:
        """Take over the transport: send the answer `head`, and read `rest`, which arrived after the request."""
        # High-water mark 0: asyncio calls pause_writing for the first byte that the kernel does not take.
        self._transport.set_write_buffer_limits(high=0)
        self._transport.set_protocol(self)
        if not self._transport.is_reading():
            self._transport.resume_reading()
        self._push(head)
        if rest:
            # In the next tick, when there is a listener.
            asyncio.get_running_loop().call_soon(self.data_received, rest)

    def listen(self, listener: TransportListener) -> None:
        """Report to this listener from now on."""
        self._listener = listener

    # --- reading ------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._reading_paused:  # asyncio had read it before reading was paused
            self._unread += data
            return
        size = self._slice
        if len(data) <= size:  # nearly always
            self._parse(data)
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + TURN
        for start in range(0, len(data), size):
            held = self._parse(data[start : start + size])
            if not held and loop.time() >= until:
                self.pause_reading()
                loop.call_soon(self.resume_reading)
                held = True
            if held:
                self._unread = data[start + size :]
                return

    def _parse(self, data: bytes) -> bool:
        """Pass on complete messages; return whether that paused reading."""
        self._reader.feed_data(data)
        messages, error = frame_queue.take()
        for kind, content, _ in messages:
            if kind is WSMsgType.CLOSE:
                self._closed_by_client(content)
                return False
            if self._ending:
                continue
            if kind is WSMsgType.TEXT:
                self._listener.received(content)
            elif kind is WSMsgType.PING:
                self._push(pong_frame(content))
                self._listener.controlled()
            elif kind is WSMsgType.PONG:
                self._listener.controlled()
            elif kind is WSMsgType.BINARY:
                self._listener.violated(WSCloseCode.UNSUPPORTED_DATA, PARSE_ERROR)
        if error is not None and not self._ending:
            code = error.code if isinstance(error, WebSocketError) else WSCloseCode.PROTOCOL_ERROR
            self._listener.violated(code, OVERSIZE if code == WSCloseCode.MESSAGE_TOO_BIG else PARSE_ERROR)
        return self._reading_paused

    def _closed_by_client(self, code: int) -> None:
        if code == WSCloseCode.ABNORMAL_CLOSURE or code > _LAST_CODE:  # aiohttp's reader accepts these
            self._listener.violated(WSCloseCode.PROTOCOL_ERROR, PARSE_ERROR)
            return
        listener = self._listener
        self.end(NOOP, code, GRACE)  # answers with the same code, unless our close frame was sent first
        self._transport.close()
        listener.lost(CLIENT_LEFT)

    def pause_reading(self) -> None:
        """See Transport."""
        if not self._reading_paused and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See Transport."""
        if not self._reading_paused:
            return
        self._reading_paused = False
        unread, self._unread = self._unread, b""
        self.data_received(unread)
        if not self._reading_paused and not self._transport.is_closing():
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        """See asyncio.Protocol. Close the websocket: it is never half open."""
        self.abort()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        listener, self._listener = self._listener, NULL_LISTENER
        self._ending = True
        self._paused = False
        self._out.clear()
        listener.lost(TRANSPORT_ERROR if error else CLIENT_LEFT)

    # --- writing ------------------------------------------------------------------------------------------------------

    def push(self, packet: str) -> None:
        """See Transport."""
        self._push(text_frame(packet.encode(errors="replace")))

    def push_frame(self, frame: Frame) -> None:
        """See Transport. Repeats _push to save a call: every broadcast passes here."""
        if self._ending:
            return
        out = self._out
        if not out:
            self._cork.add(self)
        out.append(frame.websocket)
        self._size += len(frame.websocket)
        if self._size > self._limit:
            self._overflow()

    def _push(self, data: bytes) -> None:
        if self._ending:
            return
        out = self._out
        if not out:
            self._cork.add(self)
        out.append(data)
        self._size += len(data)
        if self._size > self._limit:
            self._overflow()

    def write_frame(self, frame: Frame) -> None:
        """See Transport. Skips the queue, which saves 0.3 µs per delivery."""
        if self._out or self._paused:
            self.push_frame(frame)
        elif not self._ending:
            try:  # repeats _write to save a call
                self._transport.write(frame.websocket)
            except Exception as error:
                self._write_failed(error)

    def ping(self) -> None:
        """See Transport."""
        if not self._ending:
            self._write(_PING)

    def flush(self) -> None:
        """Write queued frames in order, until the kernel's buffer is full."""
        while self._out and not self._paused:
            if self._size <= CHUNK or len(self._out) == 1:
                data, self._out = b"".join(self._out), []
            else:
                data = self._first_chunk()
            self._size -= len(data)
            self._write(data)

    def _first_chunk(self) -> bytes:
        size = count = 0
        while count < len(self._out) and size < CHUNK:
            size += len(self._out[count])
            count += 1
        data = b"".join(self._out[:count])
        del self._out[:count]
        return data

    def _overflow(self) -> None:
        self.flush()
        if self._size > self._limit:
            self._give_up(SLOW_CLIENT)

    def _write(self, data: bytes) -> None:
        try:
            self._transport.write(data)
        except Exception as error:
            self._write_failed(error)

    def _write_failed(self, error: Exception) -> None:
        # A failure of one connection must not keep packets from the others. This client has a gap now: it must
        # reconnect and catch up.
        log.error("transport write failed", exc_info=error)
        self._give_up(TRANSPORT_ERROR)

    def _give_up(self, reason: str) -> None:
        # In the next tick: this may run inside a broadcast, whose room must not change during the iteration.
        asyncio.get_running_loop().call_soon(self._listener.lost, reason)
        self.abort()

    def pause_writing(self) -> None:
        """See asyncio.Protocol. The kernel's buffer is full."""
        self._paused = True
        self._unsent = self._transport.get_write_buffer_size()
        self._progress_at = asyncio.get_running_loop().time()
        self._listener.reschedule()

    def resume_writing(self) -> None:
        """See asyncio.Protocol. The kernel has taken all bytes."""
        self._paused = False
        self.flush()

    def failure(self, now: float) -> str | None:
        """See Transport."""
        if not self._paused:
            return None
        left = self._transport.get_write_buffer_size()
        if left < self._unsent:
            self._unsent, self._progress_at = left, now
        return SLOW_CLIENT if now - self._progress_at >= self._delay else None

    def check_at(self, now: float) -> float | None:
        """See Transport."""
        return now + self._delay / 4 if self._paused else None

    # --- ending -------------------------------------------------------------------------------------------------------

    def end(self, last: str, code: int, grace: float) -> None:
        """See Transport. A NOOP is not sent."""
        if self._ending:
            return
        if last != NOOP:
            self.push(last)
        self._push(close_frame(code))
        self._ending = True
        self.flush()
        # A client should answer with its own close frame; one that does not must not keep the transport.
        asyncio.get_running_loop().call_later(grace, self._transport.abort)

    def abort(self) -> None:
        """See Transport."""
        self._ending = True
        self._paused = False
        self._out.clear()
        self._size = 0
        self._transport.abort()


class CompressingWebSocket(WebSocket):
    """A websocket whose client accepts and may send compressed messages. See Compression.

    Only broadcasts are compressed, once for all members of a room. For packets of a single client compression costs
    more than it saves.
    """

    __slots__ = ("_apart", "_threshold")

    def __init__(
        self, transport: asyncio.Transport, options: EngineOptions, cork: Cork, compression: Compression
    ) -> None:
        super().__init__(transport, options, cork, InflatingReader)
        self._apart = compression.apart
        self._threshold = options.compression_threshold

    def write_frame(self, frame: Frame) -> None:
        """See Transport."""
        if len(frame.websocket) < self._threshold:
            super().write_frame(frame)
        elif self._out or self._paused:
            self._push(frame.deflated(apart=self._apart))
        elif not self._ending:
            self._write(frame.deflated(apart=self._apart))
