"""The Engine.IO v4 protocol: the cases of its public test suite, as ours, against the engine in this process.

Two cases of the suite echo binary packets; the gateway refuses binary by contract, so here they are refused cleanly.
"""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.realtime.engineio.server import EngineOptions
from tests.integration.engineio_echo import (
    Echo,
    Poller,
    close_code,
    echo_server,
    hello,
    websocket,
)
from tests.timing import allowed, scaled

OPTIONS = EngineOptions(ping_interval=scaled(0.3), ping_timeout=scaled(0.2), max_packet_size=1_000_000)
KEYS = {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}


@pytest.fixture(scope="module")
async def echo() -> AsyncIterator[Echo]:
    """Return a server with a quick heart."""
    async with echo_server(OPTIONS) as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client."""
    async with aiohttp.ClientSession() as session:
        yield session


# --- handshake ------------------------------------------------------------------------------------------------------


async def test_polling_opens_a_session(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    assert session.hello.keys() == KEYS
    assert isinstance(session.hello["sid"], str)
    assert session.hello["upgrades"] == ["websocket"]
    assert (session.hello["pingInterval"], session.hello["pingTimeout"]) == (
        round(1000 * OPTIONS.ping_interval),
        round(1000 * OPTIONS.ping_timeout),
    )
    assert session.hello["maxPayload"] == 1_000_000


async def test_websocket_opens_a_session(echo: Echo, http: aiohttp.ClientSession) -> None:
    async with websocket(http, echo) as socket:
        value = await hello(socket)
    assert value.keys() == KEYS
    assert isinstance(value["sid"], str)
    assert value["upgrades"] == []
    assert (value["pingInterval"], value["pingTimeout"]) == (
        round(1000 * OPTIONS.ping_interval),
        round(1000 * OPTIONS.ping_timeout),
    )
    assert value["maxPayload"] == 1_000_000


@pytest.mark.parametrize(
    "query",
    ["transport=polling", "EIO=abc&transport=polling", "EIO=3&transport=polling", "EIO=4", "EIO=4&transport=abc", ""],
)
async def test_polling_refuses_a_wrong_query(echo: Echo, http: aiohttp.ClientSession, query: str) -> None:
    async with http.get(f"{echo.url}/socket.io/?{query}") as response:
        assert response.status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD"])
async def test_polling_refuses_a_wrong_method(echo: Echo, http: aiohttp.ClientSession, method: str) -> None:
    async with http.request(method, f"{echo.url}/socket.io/?EIO=4&transport=polling") as response:
        assert response.status == 400


@pytest.mark.parametrize(
    "query", ["transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"]
)
async def test_websocket_refuses_a_wrong_query(echo: Echo, http: aiohttp.ClientSession, query: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(f"{echo.url}/socket.io/?{query}")
    assert refused.value.status == 400


# --- messages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", ["4hello", "4test1\x1e4test2\x1e4test3", "4안녕 🙂", "4"])
async def test_polling_carries_text(echo: Echo, http: aiohttp.ClientSession, payload: str) -> None:
    session = await Poller(http, echo).open()
    assert await session.post(payload) == (200, "ok")
    assert await session.get() == (200, payload)


async def test_polling_refuses_binary_and_closes(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    assert (await session.post("4hello\x1ebAQIDBA=="))[0] == 400
    assert (await session.get())[0] == 400
    assert (session.sid, "hello") not in echo.received


@pytest.mark.parametrize("payload", ["abc", "", "4hello\x1e", "2", "5", "6", b"4\xff\xfe"])
async def test_polling_closes_on_a_malformed_packet(
    echo: Echo, http: aiohttp.ClientSession, payload: str | bytes
) -> None:
    session = await Poller(http, echo).open()
    assert (await session.post(payload))[0] == 400
    assert (await session.get())[0] == 400
    assert echo.ended[session.sid] == "parse error"


async def test_polling_closes_on_a_second_poll(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    first = asyncio.create_task(session.get())
    await echo.until_polled(session.sid)
    assert (await session.get())[0] == 400
    assert await first == (200, "1")
    assert (await session.get())[0] == 400


async def test_websocket_carries_text(echo: Echo, http: aiohttp.ClientSession) -> None:
    async with websocket(http, echo) as socket:
        await hello(socket)
        await socket.send_str("4hello")
        assert await socket.receive_str() == "4hello"


async def test_websocket_refuses_binary_and_closes(echo: Echo, http: aiohttp.ClientSession) -> None:
    async with websocket(http, echo) as socket:
        await hello(socket)
        await socket.send_bytes(b"\x01\x02\x03\x04")
        assert await close_code(socket) == 1003


async def test_websocket_closes_on_a_malformed_packet(echo: Echo, http: aiohttp.ClientSession) -> None:
    async with websocket(http, echo) as socket:
        await hello(socket)
        await socket.send_str("abc")
        assert await close_code(socket) == 1002


# --- heartbeat ------------------------------------------------------------------------------------------------------


async def test_polling_is_pinged(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    for _ in range(3):
        assert await session.get() == (200, "2")
        assert await session.post("3") == (200, "ok")


async def test_polling_closes_without_a_pong(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    assert await echo.until_ended(session.sid) == "ping timeout"
    assert (await session.get())[0] == 400


async def test_websocket_is_pinged(echo: Echo, http: aiohttp.ClientSession) -> None:
    async with websocket(http, echo) as socket:
        await hello(socket)
        for _ in range(3):
            assert await socket.receive_str(timeout=allowed(0.4)) == "2"
            await socket.send_str("3")


async def test_websocket_closes_without_a_pong(echo: Echo, http: aiohttp.ClientSession) -> None:
    async with websocket(http, echo) as socket:
        sid = (await hello(socket))["sid"]
        assert await socket.receive_str() == "2"
        await close_code(socket)
        assert echo.ended[sid] == "ping timeout"


# --- close ----------------------------------------------------------------------------------------------------------


async def test_polling_client_closes(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    poll = asyncio.create_task(session.get())
    await echo.until_polled(session.sid)
    assert (await session.post("1"))[0] == 200
    assert await poll == (200, "6")
    assert (await session.get())[0] == 400


async def test_websocket_client_closes(echo: Echo, http: aiohttp.ClientSession) -> None:
    async with websocket(http, echo) as socket:
        sid = (await hello(socket))["sid"]
        await socket.send_str("1")
        assert await close_code(socket) == 1000
        assert echo.ended[sid] == "transport close"


# --- upgrade --------------------------------------------------------------------------------------------------------


async def test_polling_is_upgraded(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe"
        assert await session.get() == (200, "6")  # ends the poll, so that the client can change over
        await socket.send_str("5")
        await socket.send_str("4hello")
        assert await socket.receive_str() == "4hello"


async def test_polling_is_over_after_the_upgrade(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe"
        await socket.send_str("5")
        await socket.send_str("4first")
        assert await socket.receive_str() == "4first"
        assert (await session.get())[0] == 400
        assert (await session.post("4x"))[0] == 400
        await socket.send_str("4hello")
        assert await socket.receive_str() == "4hello"


async def test_a_second_websocket_is_closed_after_the_upgrade(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe"
        await socket.send_str("5")
        await socket.send_str("4first")
        assert await socket.receive_str() == "4first"
        async with websocket(http, echo, session.sid) as second:
            assert await close_code(second) == 1008
        await socket.send_str("4hello")
        assert await socket.receive_str() == "4hello"
