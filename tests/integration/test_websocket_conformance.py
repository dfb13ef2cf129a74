"""RFC 6455 frame by frame against the engine, in the order of the chapters of the Autobahn test suite.

What a case sends is written as bytes over TCP. The server echoes Engine.IO messages, so texts begin with "4"; binary it
refuses by contract. Where it is laxer than the RFC, a test at the end says so.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence

import pytest

from gateway.realtime.engineio.connection import Connection
from gateway.realtime.engineio.options import GRACE
from gateway.realtime.engineio.server import EngineOptions
from tests.integration.engineio_echo import Echo, Wire, echo_server, masked, wire

LARGEST = 70_000
OPTIONS = EngineOptions(max_packet_size=LARGEST)
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80


@pytest.fixture(scope="module")
async def echo() -> AsyncIterator[Echo]:
    """Return a server whose largest packet needs the longest form of a length."""
    async with echo_server(OPTIONS) as server:
        yield server


@contextlib.asynccontextmanager
async def connected(echo: Echo) -> AsyncIterator[tuple[Wire, Connection]]:
    """Return a websocket made of bytes, and the server's side of it."""
    async with wire(echo) as client:
        await client.upgrade(echo)
        assert (await client.frame())[0] == TEXT
        yield client, echo.opened[-1]


def frame(opcode: int, payload: str | bytes = b"", *, fin: bool = True, reserved: int = 0) -> bytes:
    """Return a client's frame; `reserved` are its three reserved bits."""
    return masked(payload, opcode | reserved << 4 | (FIN if fin else 0))


def fragmented(payload: bytes, *cuts: int, between: bytes = b"") -> bytes:
    """Return a text message cut at these places, with `between` after each part but the last."""
    edges = [0, *cuts, len(payload)]
    parts = [payload[start:end] for start, end in itertools.pairwise(edges)]
    frames = [
        frame(TEXT if number == 0 else CONTINUATION, part, fin=number == len(parts) - 1)
        for number, part in enumerate(parts)
    ]
    return between.join(frames)


def goodbye(code: int, reason: bytes = b"") -> bytes:
    """Return a client's close frame."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


async def send_pieces(client: Wire, data: bytes, size: int) -> None:
    """Send so that the server reads pieces of this size."""
    for start in range(0, len(data), size):
        await client.send(data[start : start + size])
        await asyncio.sleep(0)


async def alive(client: Wire) -> None:
    """Check that the connection works, and nothing else was sent before the answer."""
    await client.send(frame(TEXT, "4alive?") + frame(PING, b"!"))
    assert sorted([await client.frame(), await client.frame()]) == [(TEXT, b"4alive?"), (PONG, b"!")]


async def failed(client: Wire, echo: Echo, connection: Connection, code: int) -> None:
    """Check that the server closed with this code, deleted the session and passed nothing on."""
    assert await client.frame() == (TEXT, b"1")  # Engine.IO's goodbye
    assert await client.frame() == (CLOSE, code.to_bytes(2, "big"))
    assert echo.ended[connection.sid] == ("too large" if code == 1009 else "parse error")
    assert connection.sid not in echo.engine.connections


# --- 1: frames ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chop", [None, 1, 997], ids=["whole", "by the byte", "in pieces"])
@pytest.mark.parametrize("size", [1, 2, 125, 126, 127, 128, 65_535, 65_536, LARGEST])
async def test_texts_of_any_length_are_echoed(echo: Echo, size: int, chop: int | None) -> None:
    payload = b"4" + b"*" * (size - 1)
    data = frame(TEXT, payload)
    start = {None: 0, 1: 300}.get(chop, size)  # a large one not to its end by the byte
    async with connected(echo) as (client, _):
        await send_pieces(client, data[:start], chop or 1)
        await client.send(data[start:])
        assert await client.frame() == (TEXT, payload)


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x00\xff\x00\x01"], ids=bytes.hex)
async def test_any_mask_is_removed(echo: Echo, mask: bytes) -> None:
    payload = "4안녕 🙂 mask".encode()
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    async with connected(echo) as (client, _):
        await client.send(bytes((FIN | TEXT, 0x80 | len(payload))) + mask + body)
        assert await client.frame() == (TEXT, payload)


async def test_many_frames_in_one_segment_are_answered_in_order(echo: Echo) -> None:
    async with connected(echo) as (client, _):
        await client.send(b"".join(frame(TEXT, f"4{number}") for number in range(1000)))
        assert [await client.frame() for _ in range(1000)] == [(TEXT, f"4{number}".encode()) for number in range(1000)]


# --- 2: pings and pongs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"Hello", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125], ids=len)
async def test_a_ping_is_answered_with_its_payload(echo: Echo, payload: bytes) -> None:
    async with connected(echo) as (client, _):
        await send_pieces(client, frame(PING, payload), 1)
        assert await client.frame() == (PONG, payload)
        await client.send(b"".join(frame(PING, bytes((number,)) + payload[1:]) for number in range(10)))
        for number in range(10):
            assert await client.frame() == (PONG, bytes((number,)) + payload[1:])


@pytest.mark.parametrize("payload", [b"", b"unasked"], ids=len)
async def test_an_unexpected_pong_is_ignored(echo: Echo, payload: bytes) -> None:
    async with connected(echo) as (client, _):
        await client.send(frame(PONG, payload) + frame(PING, b"x"))
        assert await client.frame() == (PONG, b"x")


# --- 3 and 4: reserved bits and opcodes -----------------------------------------------------------------------------


@pytest.mark.parametrize("reserved", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, PING, CLOSE], ids=["text", "ping", "close"])
async def test_a_reserved_bit_fails_the_connection(echo: Echo, opcode: int, reserved: int) -> None:
    async with connected(echo) as (client, connection):
        await client.send(frame(opcode, "" if opcode == CLOSE else "4x", reserved=reserved))
        await failed(client, echo, connection, 1002)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", ["", "4x"])
async def test_a_reserved_opcode_fails_the_connection(echo: Echo, opcode: int, payload: str) -> None:
    async with connected(echo) as (client, connection):
        await alive(client)
        await client.send(frame(opcode, payload) + frame(PING, b"ignored"))
        await failed(client, echo, connection, 1002)


# --- 5: fragments ---------------------------------------------------------------------------------------------------

FRAGMENTED: dict[str, tuple[bytes, Sequence[tuple[int, bytes]]]] = {
    "in two": (fragmented(b"4hello", 3), [(TEXT, b"4hello")]),
    "by the character": (fragmented(b"4hello", *range(1, 6)), [(TEXT, b"4hello")]),
    "with a ping between": (
        fragmented(b"4hello", 3, between=frame(PING, b"p")), [(PONG, b"p"), (TEXT, b"4hello")],
    ),
    "with pings and pongs between": (
        fragmented(b"4abcd", 1, 2, 3, between=frame(PING, b"a") + frame(PONG, b"b") + frame(PING)),
        [(PONG, b"a"), (PONG, b""), (PONG, b"a"), (PONG, b""), (PONG, b"a"), (PONG, b""), (TEXT, b"4abcd")],
    ),
    "with empty parts": (fragmented(b"4hello", 0, 0, 3, 3, 6), [(TEXT, b"4hello")]),
    "within a character": (fragmented("4안🙂".encode(), 2, 3, 5, 6, 7), [(TEXT, "4안🙂".encode())]),
    "one after the other": (fragmented(b"4a", 1) + fragmented(b"4b", 1), [(TEXT, b"4a"), (TEXT, b"4b")]),
    "as large as allowed": (
        fragmented(b"4" * LARGEST, 1, 30_000, LARGEST - 1), [(TEXT, b"4" * LARGEST)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAGMENTED)
async def test_a_fragmented_message_is_one_message(echo: Echo, name: str) -> None:
    data, answers = FRAGMENTED[name]
    async with connected(echo) as (client, _):
        await client.send(data)
        assert [await client.frame() for _ in answers] == answers
        await alive(client)


MISPLACED = {
    "a ping in parts": frame(PING, "x", fin=False) + frame(CONTINUATION, "y"),
    "a pong in parts": frame(PONG, "x", fin=False) + frame(CONTINUATION, "y"),
    "a close in parts": frame(CLOSE, b"\x03\xe8", fin=False),
    "a last part of nothing": frame(CONTINUATION, "4x"),
    "a part of nothing": frame(CONTINUATION, "4x", fin=False),
    "an empty part of nothing": frame(CONTINUATION),
    "a part behind the last": fragmented(b"4ab", 1) + frame(CONTINUATION, "c"),
    "a text within a text": frame(TEXT, "4a", fin=False) + frame(TEXT, "4b"),
    "the first of another text within a text": frame(TEXT, "4a", fin=False) + frame(TEXT, "4b", fin=False),
    "binary within a text": frame(TEXT, "4a", fin=False) + frame(BINARY, "4b"),
    "a text within a text behind a ping": frame(TEXT, "4a", fin=False) + frame(PONG) + frame(TEXT, "4b"),
    "a long ping": frame(PING, b"x" * 126),
    "a long pong": frame(PONG, b"x" * 126),
    "a long ping within a text": fragmented(b"4ab", 1, between=frame(PING, b"x" * 126)),
}


@pytest.mark.parametrize("name", MISPLACED)
async def test_a_misplaced_frame_fails_the_connection(echo: Echo, name: str) -> None:
    async with connected(echo) as (client, connection):
        await client.send(MISPLACED[name])
        await failed(client, echo, connection, 1002)
        assert connection.sid not in [sid for sid, _ in echo.received]


async def test_binary_is_refused_by_contract(echo: Echo) -> None:
    for data in (frame(BINARY), frame(BINARY, b"\x00"), frame(BINARY, b"4", fin=False) + frame(CONTINUATION, b"x")):
        async with connected(echo) as (client, connection):
            await client.send(data)
            await failed(client, echo, connection, 1003)


async def test_an_empty_text_is_no_packet(echo: Echo) -> None:
    """A frame that RFC 6455 allows and Engine.IO has no meaning for."""
    for data in (frame(TEXT), frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) + frame(CONTINUATION)):
        async with connected(echo) as (client, connection):
            await client.send(data)
            await failed(client, echo, connection, 1002)


# --- 6: UTF-8 -------------------------------------------------------------------------------------------------------

VALID = [
    "κόσμε", "안녕하세요", "🙂🏽\u200d💻",
    "\x00", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufdd0", "\ufeff", "\ufffd",
    "\ufffe", "\uffff", "\U00010000", "\U0001fffe", "\U0010ffff",
]  # fmt: skip
INVALID = [
    b"\x80", b"\xbf", b"\x80\xbf", b"\xc0 ", b"\xfd ", b"\xfe", b"\xff",  # stray
    b"\xce", b"\xe2\x82", b"\xf0\x9f\x99", b"\xe2\x82x", b"\xf0\x9f\x99\xe2",  # cut
    b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf", b"\xf0\x80\x80\xaf", b"\xf0\x8f\xbf\xbf",  # overlong
    b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80",  # halves of UTF-16 pairs
    b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80",  # above U+10FFFF
]  # fmt: skip


@pytest.mark.parametrize("text", VALID, ids=ascii)
async def test_any_character_is_echoed(echo: Echo, text: str) -> None:
    payload = f"4a{text}z".encode()
    async with connected(echo) as (client, _):
        await client.send(frame(TEXT, payload) + fragmented(payload, *range(1, len(payload))))
        assert [await client.frame(), await client.frame()] == [(TEXT, payload), (TEXT, payload)]


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "fragmented"])
@pytest.mark.parametrize("text", INVALID, ids=bytes.hex)
async def test_invalid_utf8_fails_the_connection(echo: Echo, text: bytes, cut: bool) -> None:
    payload = b"4good" + text
    async with connected(echo) as (client, connection):
        await client.send(fragmented(payload, 2, len(payload) - 1) if cut else frame(TEXT, payload))
        await failed(client, echo, connection, 1007)


# --- 7: closing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999])
async def test_a_close_is_answered_with_its_code(echo: Echo, code: int) -> None:
    async with connected(echo) as (client, connection):
        await client.send(goodbye(code, "bye 안녕".encode()))
        assert await client.frame() == (CLOSE, code.to_bytes(2, "big"))
        assert await client.reader.read() == b""
        assert echo.ended[connection.sid] == "transport close"


async def test_a_close_without_a_code_is_answered_without(echo: Echo) -> None:
    async with connected(echo) as (client, _):
        await client.send(frame(CLOSE))
        assert await client.frame() == (CLOSE, b"")
        assert await client.reader.read() == b""


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
async def test_a_forbidden_close_code_fails_the_connection(echo: Echo, code: int) -> None:
    async with connected(echo) as (client, connection):
        await client.send(goodbye(code))
        await failed(client, echo, connection, 1002)


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"\x03", 1002), (b"\x03\xe8\xff", 1007), (b"\x03\xe8ab\xce", 1007), (b"\x03\xe8" + b"x" * 124, 1002)],
    ids=["one byte", "a reason that is not UTF-8", "a reason that is cut", "a long reason"],
)
async def test_a_malformed_close_fails_the_connection(echo: Echo, payload: bytes, code: int) -> None:
    async with connected(echo) as (client, connection):
        await client.send(frame(CLOSE, payload))
        await failed(client, echo, connection, code)


async def test_the_longest_reason_is_accepted(echo: Echo) -> None:
    async with connected(echo) as (client, _):
        await client.send(goodbye(1000, b"x" * 123))
        assert await client.frame() == (CLOSE, b"\x03\xe8")


@pytest.mark.parametrize(
    "rest",
    [frame(TEXT, "4late"), frame(PING, b"late"), goodbye(1001), frame(CONTINUATION, "x"), b"\xff\xff"],
    ids=["a text", "a ping", "another close", "a part", "rubbish"],
)
@pytest.mark.parametrize("first", [b"", frame(TEXT, "4begun", fin=False)], ids=["between messages", "within one"])
async def test_nothing_is_answered_after_a_close(echo: Echo, first: bytes, rest: bytes) -> None:
    async with connected(echo) as (client, connection):
        await client.send(first + goodbye(1000) + rest)
        assert await client.frame() == (CLOSE, b"\x03\xe8")
        assert await client.reader.read() == b""
        assert connection.sid not in [sid for sid, _ in echo.received]
        assert echo.ended[connection.sid] == "transport close"


async def test_a_close_of_the_server_is_answered(echo: Echo) -> None:
    async with connected(echo) as (client, connection):
        connection.close("kicked", grace=60)
        assert await client.close_code() == 1000
        await client.send(frame(TEXT, "4late") + goodbye(1000))
        await client.gone()
        assert connection.sid not in [sid for sid, _ in echo.received]


async def test_an_unanswered_close_times_out(echo: Echo) -> None:
    async with connected(echo) as (client, connection):
        await client.send(frame(TEXT, "4x", reserved=1))
        await failed(client, echo, connection, 1002)
        await client.gone(within=GRACE + 1)


# --- 9: limits ------------------------------------------------------------------------------------------------------

OVERSIZED = {
    "in one frame": frame(TEXT, b"4" * (LARGEST + 1)),
    "by its head alone": frame(TEXT, b"4" * (LARGEST + 1))[:14],
    "in two parts": fragmented(b"4" * (LARGEST + 1), LARGEST // 2),
    "in parts, the last of them one byte": fragmented(b"4" * (LARGEST + 1), LARGEST),
    "in parts that never end": fragmented(b"4" * (LARGEST + 3000), *range(1000, LARGEST + 2000, 1000))[:-3000],
    "of 2^63 bytes": bytes((FIN | TEXT, 0xFF)) + (1 << 63).to_bytes(8, "big"),
    "of 2^64 - 1 bytes": bytes((FIN | TEXT, 0xFF)) + b"\xff" * 8,
    "of 2^62 bytes, binary": bytes((FIN | BINARY, 0xFF)) + (1 << 62).to_bytes(8, "big"),
}


@pytest.mark.parametrize("name", OVERSIZED)
async def test_an_oversized_message_fails_the_connection(echo: Echo, name: str) -> None:
    async with connected(echo) as (client, connection):
        await client.send(OVERSIZED[name])
        await failed(client, echo, connection, 1009)


# --- where we are laxer than the RFC --------------------------------------------------------------------------------


async def test_tolerated_frames(echo: Echo) -> None:
    """aiohttp's parser takes these, nothing of ours relies on them; docs/clients/protocol.md lists them."""
    plain = b"4plain"
    cases = {
        "not masked": bytes((FIN | TEXT, len(plain))) + plain,
        "a length in a longer form than it needs": bytes((FIN | TEXT, 126, 0, len(plain))) + plain,
        "a message within one that has only empty parts yet": frame(TEXT, fin=False) + frame(TEXT, plain),
    }
    for data in cases.values():
        async with connected(echo) as (client, _):
            await client.send(data)
            assert await client.frame() == (TEXT, plain)
