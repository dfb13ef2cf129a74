"""Requests to the Engine.IO path as proxies and strangers write them: accepted or refused, never an error of ours."""

import asyncio
import logging
import random
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from tests.integration.engineio_echo import Echo, Wire, echo_server, masked, wire
from tests.timing import until

PATH = "/socket.io/?EIO=4&transport=websocket"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
PLAIN = ("Host: x", "Upgrade: websocket", "Connection: Upgrade", KEY, "Sec-WebSocket-Version: 13")


@pytest.fixture
async def echo(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Echo]:
    """Return an echo server that logs no error, whatever it is asked."""
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    async with echo_server() as echo:
        yield echo
    assert failures == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def request(*lines: str, start: str = f"GET {PATH} HTTP/1.1", body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    return "\r\n".join([start, *lines, "", ""]).encode("latin-1") + body


async def status(client: Wire) -> int:
    """Return the status of the next answer, whose body is read, too; `100 Continue` is none."""
    while (head := await client.head()).startswith(b"HTTP/1.1 100 "):
        pass
    length = re.search(rb"(?i)content-length: (\d+)", head)
    if length is not None:
        with suppress(asyncio.IncompleteReadError):  # the answer to HEAD has a length and no body
            await client.reader.readexactly(int(length[1]))
    return int(head.split(b" ", 2)[1])


# --- repeated headers are lists (RFC 9110, 5.3) -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        ("Host: x", "Upgrade: websocket", "Connection: keep-alive", "Connection: Upgrade", KEY, PLAIN[-1]),
        ("Host: x", "Upgrade: websocket", "Connection: Upgrade", "Connection: keep-alive", KEY, PLAIN[-1]),
        ("Host: x", "Upgrade: websocket, h2c", *PLAIN[2:]),
        ("Host: x", "Upgrade: h2c, WebSocket", *PLAIN[2:]),
        ("Host: x", "Upgrade: h2c", "Upgrade: websocket", *PLAIN[2:]),
        (*PLAIN, "Sec-WebSocket-Version: 8"),
        (*PLAIN[:-1], "Sec-WebSocket-Version: 8, 13"),
        (*PLAIN, "X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 10.0.0.2"),
        (*PLAIN, "Cookie: a=1", "Cookie: b=2"),
        (*PLAIN, "Content-Length: 0"),
        (*PLAIN, "Expect: 100-continue"),
        (*PLAIN, "Origin: https://shop.example"),
    ],
)
async def test_repeated_headers_are_read_as_one_list(echo: Echo, lines: tuple[str, ...]) -> None:
    async with wire(echo) as client:
        await client.send(request(*lines) + masked("4early"))
        assert await status(client) == 101
        assert (await client.frame())[1].startswith(b"0{")
        assert await client.frame() == (1, b"4early")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((*PLAIN, KEY), 400),
        ((*PLAIN[:2], "Connection: keep-alive", "Connection: close", *PLAIN[3:]), 400),
        (("Host: x", "Upgrade: h2c", "Upgrade: websocketish", *PLAIN[2:]), 400),
        ((*PLAIN[:-1], "Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 7"), 426),
        ((*PLAIN, "Content-Length: 1"), 400),
        ((*PLAIN, "Transfer-Encoding: chunked"), 400),
    ],
)
async def test_invalid_header_lists_are_refused(echo: Echo, lines: tuple[str, ...], expected: int) -> None:
    async with wire(echo) as client:
        await client.send(request(*lines))
        assert await status(client) == expected
    assert not echo.opened


async def test_the_first_subprotocol_is_selected(echo: Echo) -> None:
    """As by the Node server: a browser that asked for some fails without."""
    async with wire(echo) as client:
        await client.send(request(*PLAIN, "Sec-WebSocket-Protocol: shop.v1, shop.v2", "Sec-WebSocket-Protocol: x"))
        assert b"\r\nSec-WebSocket-Protocol: shop.v1\r\n" in await client.head()


async def test_two_origin_headers_are_refused() -> None:
    async with echo_server(origin_allowed=lambda handshake: handshake.origin == "https://a.example") as echo:
        for lines, expected in ((1, 101), (2, 403)):
            async with wire(echo) as client:
                await client.send(request(*PLAIN, *["Origin: https://a.example"] * lines))
                assert await status(client) == expected


# --- a body, and other oddities ---------------------------------------------------------------------------------------

CHUNKED = (*PLAIN, "Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (request(*PLAIN, "Content-Length: 1", body=b"x"), 400),
        (request(*PLAIN, "Content-Length: 100000", body=b"x" * 100_000), 400),
        (request(*PLAIN, "Content-Length: 1", body=b"x" + masked("4early")), 400),
        (request(*CHUNKED, body=b"1\r\nx\r\n0\r\n\r\n"), 400),
        (request(*CHUNKED, body=b"1\r\nx\r\n"), 400),
        (request(*CHUNKED, body=b"no chunk\r\n"), 400),
        (request(*PLAIN, "Content-Length: 1", "Content-Length: 2", body=b"xy"), 400),
        (request(*PLAIN, "Content-Length: -1"), 400),
        (request(*PLAIN, "Content-Encoding: gzip", "Content-Length: 1", body=b"x"), 400),
        (request(*PLAIN, "Expect: 100-continue", "Content-Length: 1", body=b"x"), 400),
        (request(*PLAIN, "Expect: the-unexpected"), 101),
        (request(*PLAIN, start=f"GET {PATH} HTTP/1.0"), 400),
        (request(*PLAIN, start=f"GET {PATH} HTTP/2.0"), 400),
        (request(*PLAIN, start=f"GET http://x{PATH} HTTP/1.1"), 101),
        (request(*PLAIN, start=f"GET //x{PATH} HTTP/1.1"), 404),
        (request(*PLAIN, start=f"POST {PATH} HTTP/1.1"), 400),
        (request(*PLAIN, "Connection: close", start=f"HEAD {PATH} HTTP/1.1"), 400),
        (request(*PLAIN, start=f"OPTIONS {PATH} HTTP/1.1"), 400),
        (request(*PLAIN, start=f"BREW {PATH} HTTP/1.1"), 400),
        (request(*PLAIN, start="CONNECT x:80 HTTP/1.1"), 404),
        (request(*PLAIN, start="PRI * HTTP/2.0"), 400),
        (request(*PLAIN, start=f"GET {PATH}"), 400),
        (request(*PLAIN[1:]), 400),
        (request(*PLAIN, "Sec-WebSocket-Key1: x"), 400),
        (request(*PLAIN, "X: \x00"), 400),
        (request(*PLAIN, "no header"), 400),
        (request(*PLAIN, start=f"GET {PATH}&sid=%00%ff HTTP/1.1"), 400),
        (request(*PLAIN, start=f"GET {PATH}&EIO=3 HTTP/1.1"), 101),
        (request(*PLAIN, start="GET /socket.io/?transport=websocket HTTP/1.1"), 400),
        (request(*PLAIN, start="GET /socket.io/%2e%2e HTTP/1.1"), 404),
    ],
)
async def test_an_odd_request_is_answered(echo: Echo, raw: bytes, expected: int) -> None:
    async with wire(echo) as client:
        await client.send(raw)
        assert await status(client) == expected
    async with wire(echo) as client:
        with suppress(ConnectionError):  # it was answered before its end
            for piece in (raw[:20], raw[20:-1], raw[-1:]):
                await client.send(piece)
                await asyncio.sleep(0.002)  # the server reads the pieces one by one, mostly
            assert await status(client) == expected


async def test_a_request_behind_a_refused_upgrade_is_answered_or_the_connection_ends(echo: Echo) -> None:
    poll = request("Host: x", "Connection: close", start="GET /socket.io/?EIO=4&transport=polling HTTP/1.1")
    for lines in (PLAIN[:-1], (*PLAIN, "Content-Length: 0", "Sec-WebSocket-Key: x")):
        async with wire(echo) as client:
            await client.send(request(*lines) + poll)
            assert await status(client) in (400, 426)
            await client.gone()


async def test_pipelined_requests_are_answered_in_order(echo: Echo) -> None:
    poll = request("Host: x", start="GET /socket.io/?EIO=4&transport=polling HTTP/1.1")
    async with wire(echo) as client:
        await client.send(poll * 3 + request(*PLAIN))
        assert [await status(client) for _ in range(4)] == [200, 200, 200, 101]
        assert (await client.frame())[1].startswith(b"0{")


async def test_http_after_an_upgrade_is_no_frame(echo: Echo) -> None:
    async with wire(echo) as client:
        await client.send(request(*PLAIN) + request(*PLAIN))
        assert await status(client) == 101
        assert await client.close_code() == 1002


@pytest.mark.parametrize("seed", range(40))
async def test_a_random_request_is_no_error(echo: Echo, seed: int) -> None:
    """What is drawn are parts of good requests, in odd company and cut anywhere."""
    dice = random.Random(seed)
    methods = ("GET", "GET", "GET", "POST", "HEAD", "PUT", "OPTIONS", "TRACE", "CONNECT", "get", "")
    targets = (PATH, PATH, "/socket.io/?EIO=4&transport=polling", f"http://x{PATH}", "*", "/", "//", f"{PATH}&sid=x")
    versions = ("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/3", "")
    extra = (
        "Content-Length: 1",
        "Content-Length: 0",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Content-Encoding: br",
        "Expect: 100-continue",
        "Connection: close",
        "Connection: keep-alive",
        "Upgrade: h2c",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Cookie: accessToken=x; accessToken=\xff",
        "Host: y",
        "Origin: null",
        "Origin: \xe9",
        ": empty",
        "Folded: a\r\n b",
    )
    bodies = (b"", b"", b"x", b"1\r\nx\r\n0\r\n\r\n", b"zz\r\n", masked("4x"), request(*PLAIN), b"\0" * 40)
    async with wire(echo) as client:
        for _ in range(dice.randint(1, 3)):
            lines = [line for line in PLAIN if dice.random() < 0.9] + dice.sample(extra, dice.randint(0, 3))
            dice.shuffle(lines)
            start = f"{dice.choice(methods)} {dice.choice(targets)} {dice.choice(versions)}"
            raw = request(*lines, start=start, body=dice.choice(bodies))
            cut = dice.randrange(len(raw))
            for piece in (raw[:cut], raw[cut:]):
                with suppress(ConnectionError):  # it was answered and closed
                    await client.send(piece)
                await asyncio.sleep(0)
        await asyncio.sleep(0.02)  # the server has read it, mostly, before the connection ends
    await until(lambda: not echo.engine._fronts)
