"""Engine.IO packets as text and as websocket frames, and the queue into which aiohttp's reader puts received frames.

A broadcast is encoded once, as a Frame for all its recipients.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue

from gateway.realtime.engineio.transports.compression import deflate

# Engine.IO packets, by their first character.
OPEN: Final = "0"
CLOSE: Final = "1"
PING: Final = "2"
PONG: Final = "3"
MESSAGE: Final = "4"
UPGRADE: Final = "5"
NOOP: Final = "6"
SEPARATOR: Final = "\x1e"  # between the packets of a polling payload; no packet contains it

_TEXT = 0x81
_CLOSE = 0x88
_PONG = 0x8A


def text_frame(payload: bytes) -> bytes:
    """Return a complete text frame. Server frames are not masked, so connections can share one frame."""
    return _header(_TEXT, len(payload)) + payload


def close_frame(code: int) -> bytes:
    """Return a close frame; without a code if `code` is 0."""
    return _header(_CLOSE, 2) + code.to_bytes(2, "big") if code else _header(_CLOSE, 0)


def pong_frame(payload: bytes | bytearray) -> bytes:
    """Return the answer to a websocket ping of at most 125 bytes."""
    return _header(_PONG, len(payload)) + payload


def _header(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 65_536:
        return bytes((first, 126)) + length.to_bytes(2, "big")
    return bytes((first, 127)) + length.to_bytes(8, "big")


class Frame:
    """One Socket.IO packet, encoded once for any number of connections."""

    __slots__ = ("_deflated", "_packet", "_text", "websocket")

    _deflated: dict[bool, bytes]  # created when the first client needs it: most frames have none

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._text: str | None = None
        size = len(packet) + 1
        if size < 126:  # nearly all packets have one of these two lengths: built in one step
            self.websocket = b"\x81%c4%b" % (size, packet)
        elif size < 65_536:
            self.websocket = b"\x81\x7e%c%c4%b" % (size >> 8, size & 255, packet)
        else:
            self.websocket = text_frame(b"4" + packet)

    @property
    def text(self) -> str:
        """The Engine.IO packet as polling sends it; decoded when the first polling client needs it."""
        if self._text is None:
            # Our packets are UTF-8. A malformed one from another program in Redis must not stop later broadcasts.
            self._text = MESSAGE + self._packet.decode(errors="replace")
        return self._text

    def deflated(self, *, apart: bool) -> bytes:
        """Return the packets as compressed websocket frames, or `websocket` if that is shorter. See Compression.

        Compressed when the first client needs it.
        """
        try:
            return self._deflated[apart]
        except AttributeError:
            self._deflated = {}
        except KeyError:
            pass
        done = self._deflated[apart] = min(deflate(self.messages, apart=apart), self.websocket, key=len)
        return done

    @property
    def messages(self) -> Iterable[bytes]:
        """The Engine.IO packets, each a websocket message."""
        return (MESSAGE.encode() + self._packet,)


class JoinedFrame(Frame):
    """Several frames as one, for a single write per transport. Clients receive the same packets."""

    __slots__ = ("_frames",)

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = frames
        self._text = None
        self.websocket = b"".join([frame.websocket for frame in frames])

    @property
    def messages(self) -> Iterable[bytes]:
        """The Engine.IO packets, each a websocket message."""
        return chain.from_iterable(frame.messages for frame in self._frames)

    @property
    def text(self) -> str:
        """The Engine.IO packets as polling sends them."""
        if self._text is None:
            self._text = SEPARATOR.join([frame.text for frame in self._frames])
        return self._text


class FrameQueue(WebSocketDataQueue):
    """Holds complete messages; replaces aiohttp's queue per connection and the task that waits for it.

    Parsing is synchronous and its messages are taken immediately, so all connections share one queue without a limit.
    The reader accepts unmasked frames from clients, which RFC 6455 forbids: masks protect proxies against scripts in a
    browser, not this server.
    """

    def __init__(self) -> None:
        # The base's __init__ would create the queue that this class replaces.
        self.messages: list[tuple[WSMsgType, Any, Any]] = []
        self.error: BaseException | None = None

    def feed_data(self, data: Any, size: int) -> None:  # noqa: ARG002
        """Add a complete message: its type, its content, and the reason of a close."""
        self.messages.append(data)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:  # noqa: ARG002
        """Store the error that ended the parsing."""
        self.error = exc

    def take(self) -> tuple[list[tuple[WSMsgType, Any, Any]], BaseException | None]:
        """Return and remove the complete messages of the last feed, and the error that ended the parsing, if any."""
        found = self.messages, self.error
        self.messages, self.error = [], None
        return found


frame_queue = FrameQueue()
