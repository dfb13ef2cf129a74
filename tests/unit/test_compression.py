"""Compressed websocket messages: what is agreed with clients, what they are sent, and what they may send."""

import os
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketReader
from aiohttp.http import WebSocketError

from gateway.realtime.engineio.transports.compression import InflatingReader, agree, deflate
from gateway.realtime.engineio.transports.frame import Frame, JoinedFrame, frame_queue

TAIL = b"\x00\x00\xff\xff"
LIMIT = 4096
PACKETS = [
    f'2/chat,["chat:message",{{"type":"chat:message","data":{{"seq":{n},"message":"안녕하세요 {n * n}"}}}}]'.encode()
    for n in range(5)
]


# --- what is agreed ---------------------------------------------------------------------------------------------------

OURS = "permessage-deflate; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offers", "header", "apart"),
    [
        (["permessage-deflate"], OURS, False),
        (["permessage-deflate; client_max_window_bits"], OURS, False),  # browsers, and `ws`
        (["permessage-deflate;client_max_window_bits=15;client_no_context_takeover"], OURS, False),
        (["permessage-deflate; server_no_context_takeover"], f"{OURS}; server_no_context_takeover", True),
        (["permessage-deflate; server_max_window_bits=13"], f"{OURS}; server_max_window_bits=13", False),
        (['permessage-deflate; server_max_window_bits="15"'], f"{OURS}; server_max_window_bits=15", False),
        (["x-other", "permessage-deflate; server_max_window_bits=9", "permessage-deflate"], OURS, False),
    ],
)
def test_an_offer_is_accepted(offers: list[str], header: str, apart: bool) -> None:
    agreed = agree(offers)
    assert agreed is not None
    assert (agreed.header.decode(), agreed.apart) == (header, apart)


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "x-webkit-deflate-frame",
        "permessage-deflate; server_max_window_bits=12",  # smaller than the window of ours
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; mux",
    ],
)
def test_an_offer_that_cannot_be_kept_is_declined(offer: str) -> None:
    assert agree([offer]) is None


# --- what is sent -----------------------------------------------------------------------------------------------------


def payloads(data: bytes) -> Iterator[bytes]:
    """Take websocket frames apart; all of them are compressed."""
    while data:
        assert data[0] == 0xC1
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        yield data[start : start + size]
        data = data[start + size :]


def test_a_client_that_keeps_its_context_reads_batch_after_batch() -> None:
    """Within a batch messages refer to each other; a batch refers to nothing before it, whatever was read."""
    client = zlib.decompressobj(-15)
    for batch in (PACKETS, PACKETS[2:], [b"x" * 200_000], [os.urandom(70_000).hex().encode()]):
        read = [client.decompress(payload + TAIL) for payload in payloads(deflate(batch, apart=False))]
        assert read == batch


def test_messages_apart_are_read_without_context() -> None:
    for payload, packet in zip(payloads(deflate(PACKETS, apart=True)), PACKETS, strict=True):
        assert zlib.decompressobj(-15).decompress(payload + TAIL) == packet


def test_the_agreed_window_is_kept() -> None:
    packets = [os.urandom(5_000).hex().encode()] * 3  # repetitions farther apart than the window
    client = zlib.decompressobj(-13)
    assert [client.decompress(payload + TAIL) for payload in payloads(deflate(packets, apart=False))] == packets


def test_a_frame_is_compressed_once_and_never_becomes_larger() -> None:
    joined = JoinedFrame([Frame(packet) for packet in PACKETS])
    together, apart = joined.deflated(apart=False), joined.deflated(apart=True)
    assert len(together) < len(apart) <= len(joined.websocket)
    assert len(together) < len(joined.websocket) / 2
    assert joined.deflated(apart=False) is together
    assert joined.deflated(apart=True) is apart
    client = zlib.decompressobj(-15)
    assert [client.decompress(payload + TAIL) for payload in payloads(together)] == [b"4" + each for each in PACKETS]
    noise = Frame(os.urandom(300))
    assert noise.deflated(apart=False) == noise.websocket


# --- what clients send ------------------------------------------------------------------------------------------------


def packed(text: bytes, *, last: bool = False) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    if last:
        return packer.compress(text) + packer.flush(zlib.Z_FINISH) + b"\x00"
    return (packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def frame(payload: bytes, first: int = 0xC1) -> bytes:
    size = len(payload)
    head = bytes((first, 0x80 | size)) if size < 126 else bytes((first, 0xFE)) + size.to_bytes(2, "big")
    return head + bytes(4) + payload


def read(*data: bytes) -> tuple[list[str], int | None]:
    """Give what a reader makes of frames, and the code of the close that they cause."""
    reader = InflatingReader(frame_queue, LIMIT + 1, compress=True, decode_text=True)
    texts, code = [], None
    for piece in data:
        reader.feed_data(piece)
        messages, error = frame_queue.take()
        texts += [content for kind, content, _ in messages if kind is WSMsgType.TEXT]
        if isinstance(error, WebSocketError):
            code = int(error.code)
    assert code is not None or reader._inflater is None or data[-1][0] & 0x80 == 0
    return texts, code


HELLO = packed("4안녕".encode())
BOMB = packed(b"4" + bytes(10_000_000))  # 10 kB


@pytest.mark.parametrize(
    ("frames", "texts"),
    [
        ([frame(HELLO)], ["4안녕"]),
        ([frame(HELLO) + frame(HELLO) + frame(b"4plain", 0x81) + frame(HELLO)], ["4안녕", "4안녕", "4plain", "4안녕"]),
        ([frame(HELLO[:3], 0x41), frame(b"p", 0x89), frame(HELLO[3:], 0x80)], ["4안녕"]),
        ([frame(HELLO[:1], 0x41), *(frame(HELLO[n : n + 1], 0x00) for n in range(1, len(HELLO))), frame(b"", 0x80)],
         ["4안녕"]),
        ([frame(b"", 0x41), frame(HELLO, 0x80)], ["4안녕"]),
        ([frame(packed("4끝".encode(), last=True))], ["4끝"]),
        ([frame(packed(b"4" + bytes(LIMIT - 1)))], ["4" + "\0" * (LIMIT - 1)]),
        ([frame(b"4" + b"x" * 10, 0x01), frame(b"y", 0x80)], ["4" + "x" * 10 + "y"]),
        ([frame(b"\x00")], [""]),  # a message without content
    ],
)  # fmt: skip
def test_compressed_messages_are_read(frames: list[bytes], texts: list[str]) -> None:
    assert read(*frames) == (texts, None)
    whole = b"".join(frames)
    assert read(*(whole[place : place + 1] for place in range(len(whole)))) == (texts, None)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame(packed(b"4" + bytes(LIMIT)))], 1009),
        ([frame(BOMB[:4000])], 1009),
        ([frame(BOMB[:3000], 0x41), frame(BOMB[3000:6000], 0x80)], 1009),
        ([frame(b"\xff" * 50)], 1007),
        ([frame(packed(b"4a", last=True) * 2)], 1007),  # one message for each block: so many would keep the processor
        ([frame(packed(b"4a", last=True), 0x41), frame(HELLO, 0x80)], 1007),
        ([frame(packed(b"4\xff\xfe"))], 1007),
        ([frame(HELLO[:3], 0x41), frame(HELLO[3:], 0xC0)], 1002),  # RSV1 on a continuation
        ([frame(HELLO[:3], 0x41), frame(HELLO)], 1002),
        ([frame(HELLO, 0xC0)], 1002),  # a continuation of nothing
        ([frame(HELLO, 0xA1)], 1002),  # RSV2
        ([frame(b"4" + b"x" * LIMIT, 0x81)], 1009),
    ],
)
def test_misuse_ends_the_connection(frames: list[bytes], code: int) -> None:
    assert read(*frames)[1] == code


def test_a_bomb_costs_no_more_memory_than_the_limit() -> None:
    whole = frame(BOMB[:4000])
    fragments = [frame(BOMB[number : number + 500], 0x00 if number else 0x41) for number in range(0, 4000, 500)]
    tracemalloc.start()
    try:
        for frames in ([whole], fragments):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            assert read(*frames)[1] == 1009
            assert tracemalloc.get_traced_memory()[1] - before < 100_000  # expanded it would be 4,000,000
    finally:
        tracemalloc.stop()


def test_the_compiled_reader_calls_the_override() -> None:
    """An upgrade of aiohttp that does not would hand on compressed bytes."""
    assert "reader_c" in WebSocketReader.__module__
    assert read(frame(packed(b"4hi"))) == (["4hi"], None)
