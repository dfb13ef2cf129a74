"""The parts of the engine that need no network: frames, heartbeats, the timer wheel, the handshake's checks."""

import asyncio
import json
import struct
import time

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, HttpVersion10, HttpVersion11, WebSocketError
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict

from gateway.realtime.engineio.handshake import Handshake, RefusedError, accept_websocket, check_protocol
from gateway.realtime.engineio.heartbeat import Beat, Heartbeat
from gateway.realtime.engineio.options import EngineOptions
from gateway.realtime.engineio.timer_wheel import TimerWheel
from gateway.realtime.engineio.transports.frame import Frame, close_frame, frame_queue, pong_frame, text_frame
from tests.support import make_settings
from tests.timing import turns, until

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


# --- frames ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e" + struct.pack(">H", 126)),
        (65_535, b"\x81\x7e" + struct.pack(">H", 65_535)),
        (65_536, b"\x81\x7f" + struct.pack(">Q", 65_536)),
    ],
)
def test_a_text_frame_has_the_shortest_head(size: int, head: bytes) -> None:
    assert text_frame(b"x" * size) == head + b"x" * size


def test_control_frames() -> None:
    assert close_frame(1009) == b"\x88\x02\x03\xf1"
    assert close_frame(0) == b"\x88\x00"
    assert pong_frame(b"p") == b"\x8a\x01p"


def test_a_frame_is_the_same_packet_for_both_transports() -> None:
    frame = Frame('2["안녕"]'.encode())
    assert frame.websocket == text_frame('42["안녕"]'.encode())
    assert frame.text == '42["안녕"]'
    assert frame.text is frame.text


@pytest.mark.parametrize("size", [1, 124, 125, 126, 65_534, 65_535, 70_000])
def test_a_frame_of_any_size_is_a_text_frame(size: int) -> None:
    assert Frame(b"2" * size).websocket == text_frame(b"4" + b"2" * size)


# --- heartbeat ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("interval", "timeout"), [(25.0, 60.0), (0.3, 0.2)])
def test_a_client_that_answers_is_pinged_each_interval(interval: float, timeout: float) -> None:
    heart = Heartbeat(interval, timeout, now=0.0)
    now = 0.0
    pings: list[float] = []
    while len(pings) < 3:
        now = heart.next(now)
        beat = heart.check(now)
        assert beat is not Beat.DEAD
        if beat is Beat.PING:
            pings.append(now)
            heart.pong()
    assert pings == pytest.approx([interval, 2 * interval, 3 * interval])


@pytest.mark.parametrize(("interval", "timeout"), [(25.0, 60.0), (0.3, 0.2)])
def test_a_client_that_does_not_answer_is_dead_after_the_timeout(interval: float, timeout: float) -> None:
    heart = Heartbeat(interval, timeout, now=0.0)
    now = 0.0
    beats: list[Beat] = []
    while Beat.DEAD not in beats:
        now = heart.next(now)
        beats.append(heart.check(now))
    assert beats.count(Beat.PING) == 1
    assert now == pytest.approx(interval + timeout)


# --- wheel ----------------------------------------------------------------------------------------------------------


class Item:
    """Notes when it is asked."""

    def __init__(self, *again: float) -> None:
        self.bucket: int | None = None
        self.asked: list[float] = []
        self.again = list(again)

    def on_deadline(self, now: float) -> float | None:
        self.asked.append(now)
        return now + self.again.pop(0) if self.again else None


async def test_the_wheel_calls_on_time_repeats_and_forgets() -> None:
    wheel = TimerWheel(0.005)
    start = asyncio.get_running_loop().time()
    late, soon, removed, repeated = Item(), Item(), Item(), Item(0.01, 0.0)
    wheel.at(late, start + 0.05)
    wheel.at(soon, start + 0.01)
    wheel.at(removed, start + 0.01)
    wheel.at(repeated, start + 0.01)
    wheel.remove(removed)
    wheel.remove(removed)
    await until(lambda: [len(item.asked) for item in (late, soon, removed, repeated)] == [1, 1, 0, 3])
    assert soon.asked[0] >= start + 0.01
    assert late.asked[0] >= start + 0.05
    assert wheel._buckets == {}
    assert wheel._timer is None


async def test_a_later_item_does_not_hide_an_earlier_slot() -> None:
    wheel = TimerWheel(0.005)

    class Planned(Item):
        """Asks to be asked again at these moments of the loop's clock."""

        def on_deadline(self, now: float) -> float | None:
            self.asked.append(now)
            return self.again.pop(0) if self.again else None

    now = asyncio.get_running_loop().time()
    waiting, joins, further = Planned(), Planned(now + 0.1), Planned(now + 60)
    for item, when in ((waiting, 0.1), (joins, 0.01), (further, 0.02)):
        wheel.at(item, now + when)
    time.sleep(0.03)  # noqa: ASYNC251  both are due in one turn, in this order
    await until(lambda: [len(item.asked) for item in (waiting, joins, further)] == [1, 2, 1])
    wheel.remove(further)


async def test_an_item_moves_to_its_newest_time() -> None:
    wheel = TimerWheel(0.005)
    now = asyncio.get_running_loop().time()
    item = Item()
    wheel.at(item, now + 60)
    wheel.at(item, now + 0.01)
    await until(lambda: wheel._buckets == {})
    assert len(item.asked) == 1


async def test_items_may_remove_each_other_during_a_call() -> None:
    wheel = TimerWheel(0.005)

    class Enemy(Item):
        other: "Enemy"

        def on_deadline(self, now: float) -> float | None:
            wheel.remove(self.other)
            return super().on_deadline(now)

    first, second = Enemy(), Enemy()
    first.other, second.other = second, first
    now = asyncio.get_running_loop().time()
    wheel.at(first, now)
    wheel.at(second, now)
    await until(lambda: first.asked or second.asked)
    await turns()
    assert len(first.asked) + len(second.asked) == 1


# --- handshake ------------------------------------------------------------------------------------------------------


def handshake(query: dict[str, str], **headers: str) -> Handshake:
    return Handshake("/socket.io/", query, CIMultiDict(headers), "127.0.0.1", secure=False)


def test_unsupported_protocol_versions_are_refused() -> None:
    assert check_protocol(handshake({"EIO": "4", "transport": "polling"})) == "polling"
    assert check_protocol(handshake({"EIO": "4", "transport": "websocket"})) == "websocket"
    for query, code in (({"transport": "polling"}, 5), ({"EIO": "4"}, 0), ({"EIO": "4", "transport": "x"}, 0)):
        with pytest.raises(RefusedError) as refused:
            check_protocol(handshake(query))
        assert (refused.value.status, refused.value.code) == (400, code)


def test_cookies_are_read_without_malformed_ones() -> None:
    assert handshake({}, Cookie='accessToken=abc.def; b@d; other="x y"').cookies["accessToken"] == "abc.def"
    assert list(handshake({}).cookies) == []


def test_cookies_may_be_in_several_headers_and_repeated() -> None:
    lines = [("Cookie", "accessToken=old"), ("Cookie", "theme=dark; accessToken=new"), ("Host", "x")]
    shaken = Handshake("/socket.io/", {}, CIMultiDict(lines), "127.0.0.1", secure=False)
    assert shaken.cookies.getall("accessToken") == ["old", "new"]
    kept = shaken.reduced("accessToken", "token")
    assert kept.headers["Cookie"] == "token=old; token=new"
    assert "Cookie" not in shaken.reduced(None, "token").headers


def test_two_origin_headers_are_no_origin() -> None:
    lines = [("Origin", "https://shop.example"), ("Origin", "https://shop.example")]
    shaken = Handshake("/socket.io/", {}, CIMultiDict(lines), "127.0.0.1", secure=False)
    assert shaken.origin == "https://shop.example, https://shop.example"


def test_a_websocket_is_accepted_as_the_rfc_says() -> None:
    headers = CIMultiDict(
        {
            "Upgrade": "WebSocket",
            "Connection": "keep-alive, upgrade",
            "Sec-WebSocket-Key": KEY,
            "Sec-WebSocket-Version": "13",
        }
    )
    answer = accept_websocket("GET", HttpVersion11, headers).head
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    for method, version in (("POST", HttpVersion11), ("GET", HttpVersion10)):
        with pytest.raises(RefusedError):
            accept_websocket(method, version, headers)


# --- aiohttp's private parts ------------------------------------------------------------------------------------------


def test_private_parts_of_aiohttp_exist() -> None:
    """If one of these moves with an upgrade of aiohttp, the file named beside it has to follow."""
    # websocket.py: the compiled reader. frame.py: a data queue whose methods Python may override.
    assert WebSocketReader.__module__ == "aiohttp._websocket.reader_c"
    reader = WebSocketReader(frame_queue, 11, compress=False, decode_text=True)
    reader.feed_data(b"\x81\x8a\0\0\0\0" + b"x" * 10)
    assert frame_queue.take() == ([(WSMsgType.TEXT, "x" * 10, "")], None)
    reader.feed_data(b"\x81\x8b\0\0\0\0" + b"x" * 11)
    messages, error = frame_queue.take()
    assert messages == []
    assert isinstance(error, WebSocketError)
    assert error.code == 1009
    # front.py: the compiled request parser.
    assert HttpRequestParser.__module__ == "aiohttp._http_parser"
    # http_endpoint.py: what is taken from a connection that aiohttp has.
    assert {"_message_tail", "_force_close"} <= set(RequestHandler.__slots__)
    assert "transport" in BaseProtocol.__slots__


# --- options --------------------------------------------------------------------------------------------------------


def test_the_options_come_from_the_settings() -> None:
    settings = make_settings(
        database_url="postgresql://localhost/x",
        redis_url="redis://localhost",
        ping_interval="500ms",
        max_packet_size=2048,
    )
    options = EngineOptions.of(settings)
    assert (options.ping_interval, options.ping_timeout, options.max_packet_size) == (0.5, 60.0, 2048)
    assert json.dumps(round(options.ping_interval * 1000)) == "500"
    assert EngineOptions().tick == pytest.approx(0.1)
