"""permessage-deflate (RFC 7692): the agreement with a client, compressed frames, and a reader of such frames.

Used by the handshake, by frames and by websockets. No state is kept between two batches of messages, or between two
messages of a client. So a batch is compressed once for all members of a room, and a connection needs no memory for it.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from aiohttp._websocket.reader import WebSocketReader
from aiohttp.http import WebSocketError, WSCloseCode

NAME: Final = "permessage-deflate"
LEVEL: Final = 6  # up to five messages level 1 takes as long, and compresses less
WINDOW: Final = 13  # bits: 8 KiB, which zlib clears for each batch
MEMORY: Final = 6
_TAIL: Final = b"\x00\x00\xff\xff"  # ends each message, and is not sent
_ENDS: Final = (_TAIL, b"\x00" + _TAIL)  # the bytes that may follow a block that is marked as the last one
_DATA: Final = (0, 1, 2)  # opcodes: continuation, text, binary
_FLAGS: Final = ("server_no_context_takeover", "client_no_context_takeover")
_SIZES: Final = ("server_max_window_bits", "client_max_window_bits")


class Compression(NamedTuple):
    """The agreement with a client: the value of the answer's header, and how messages are compressed."""

    header: bytes
    apart: bool  # each message is compressed by itself, as the client requires; else those of a batch together


def agree(offers: Iterable[str]) -> Compression | None:
    """Return the answer to the items of `Sec-WebSocket-Extensions`, None if none of them can be accepted.

    The answer always has `client_no_context_takeover`. Our own messages use no context of earlier batches either, but
    within a batch a message may refer to earlier ones, unless the offer has `server_no_context_takeover`.
    """
    for offer in offers:
        name, *parameters = [part.strip() for part in offer.split(";")]
        if name == NAME and (offered := _parameters(parameters)) is not None:
            apart = "server_no_context_takeover" in offered
            header = f"{NAME}; client_no_context_takeover"
            if apart:
                header += "; server_no_context_takeover"
            if (bits := offered.get("server_max_window_bits")) is not None:
                header += f"; server_max_window_bits={bits}"
            return Compression(header.encode(), apart)
    return None


def _parameters(parameters: Sequence[str]) -> dict[str, str | None] | None:
    """Return the parameters of an offer, None if one is unknown, repeated, malformed or not supported."""
    found: dict[str, str | None] = {}
    for parameter in parameters:
        name, equals, given = (part.strip() for part in parameter.partition("="))
        bits = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
        if name in found:
            return None
        if name in _FLAGS:
            valid = not equals
        elif name in _SIZES:
            # Without a value the parameter says that the client supports it.
            valid = bits in map(str, range(8, 16)) if equals else name == "client_max_window_bits"
        else:
            valid = False
        if not valid or (name == "server_max_window_bits" and int(bits) < WINDOW):
            return None
        found[name] = bits or None
    return found


def deflate(messages: Iterable[bytes], *, apart: bool) -> bytes:
    """Return complete text frames with these messages, compressed together or each by itself."""
    frames = []
    packer = None
    for message in messages:
        if packer is None or apart:
            packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -WINDOW, MEMORY)
        data = (packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]
        size = len(data)
        if size < 126:
            frames.append(b"\xc1%c%b" % (size, data))
        elif size < 65_536:
            frames.append(b"\xc1\x7e%c%c%b" % (size >> 8, size & 255, data))
        else:
            frames.append(b"\xc1\x7f%b%b" % (size.to_bytes(8, "big"), data))
    return b"".join(frames)


class InflatingReader(WebSocketReader):
    """aiohttp's compiled reader, with compressed messages passed on uncompressed.

    The maximum size applies to the uncompressed message. aiohttp's own decompression keeps 40 kB for each connection;
    this one keeps nothing between messages.
    """

    __slots__ = ("_inflater", "_left", "_most")

    def __init__(self, queue: Any, max_msg_size: int, compress: bool, decode_text: bool) -> None:
        super().__init__(queue, max_msg_size, compress, decode_text)
        self._most = self._left = max_msg_size - 1
        self._inflater: Any = None  # while a fragmented message arrives

    def _handle_frame(self, fin: bool, opcode: int, payload: Any, compressed: int) -> None:
        if compressed and opcode in _DATA:
            payload = self._inflate(payload, opcode, last=fin)
        super()._handle_frame(fin, opcode, payload, 0)

    def _inflate(self, payload: bytes, opcode: int, *, last: bool) -> bytes:
        inflater, self._inflater = self._inflater, None
        if inflater is None:
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            self._left = self._most
        elif opcode:
            raise WebSocketError(WSCloseCode.PROTOCOL_ERROR, "a message begins within another")
        try:
            data: bytes = inflater.decompress(bytes(payload) + _TAIL if last else bytes(payload), self._left + 1)
        except zlib.error:
            raise WebSocketError(WSCloseCode.INVALID_TEXT, "the message is not compressed correctly") from None
        self._left -= len(data)
        if self._left < 0:
            raise WebSocketError(WSCloseCode.MESSAGE_TOO_BIG, "the message is too large")
        if inflater.eof and inflater.unused_data not in ((*_ENDS, b"") if last else (b"",)):
            raise WebSocketError(WSCloseCode.INVALID_TEXT, "bytes after the last block")
        if not last:
            self._inflater = inflater
        return data
