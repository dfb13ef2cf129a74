"""Polling connections of the engine and their upgrade to a websocket: limits, origins, and no lost packet."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import ip_network

import aiohttp
import pytest

from gateway.realtime.engineio import address_limit
from gateway.realtime.engineio.connection import Connection
from gateway.realtime.engineio.options import GRACE
from gateway.realtime.engineio.server import EngineOptions
from gateway.realtime.engineio.transports.frame import Frame
from tests.integration.engineio_echo import (
    Echo,
    Poller,
    close_code,
    echo_server,
    hello,
    websocket,
    websocket_url,
    wire,
)
from tests.timing import PATIENCE, allowed, scaled, stays, time_limit, until

SEPARATOR = "\x1e"
OPTIONS = EngineOptions(upgrade_timeout=scaled(0.3), request_timeout=scaled(0.3))


@pytest.fixture(scope="module")
async def echo() -> AsyncIterator[Echo]:
    """Return a server with short time-outs."""
    async with echo_server(OPTIONS) as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=allowed(5))) as session:
        yield session


def post_request(session: Poller, echo: Echo, length: int) -> bytes:
    """Return the head of a POST."""
    target = session.url.removeprefix(echo.url)
    return f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()


# --- bodies ---------------------------------------------------------------------------------------------------------


async def test_a_large_body_in_two_segments_arrives_whole(http: aiohttp.ClientSession) -> None:
    """Stock engineio reads what has arrived and answers 200; the rest of the packets is lost."""
    async with echo_server(replace(OPTIONS, max_packet_size=1_000_000)) as echo:
        session = await Poller(http, echo).open()
        packets = ["4" + str(number) * 250_000 for number in (1, 2)]
        body = SEPARATOR.join(packets).encode()
        async with wire(echo) as client:
            await client.send(post_request(session, echo, len(body)) + body[:300_000])
            await stays(lambda: echo.received == [], seconds=0.05)
            await client.send(body[300_000:])
            assert (await client.head()).startswith(b"HTTP/1.1 200 ")
        assert await session.get() == (200, SEPARATOR.join(packets))


async def test_the_allowed_number_of_packets_is_accepted(echo: Echo, http: aiohttp.ClientSession) -> None:
    """Stock engineio drops a payload of more than sixteen packets and answers 200."""
    session = await Poller(http, echo).open()
    payload = SEPARATOR.join(f"4{number}" for number in range(256))
    assert await session.post(payload) == (200, "ok")
    received: list[str] = []
    while len(received) < 256:
        received += (await session.get())[1].split(SEPARATOR)
    assert SEPARATOR.join(received) == payload


async def test_more_packets_than_allowed_are_refused_at_once(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    assert (await session.post(SEPARATOR.join(["4x"] * 257)))[0] == 400
    assert echo.ended[session.sid] == "parse error"
    assert not [text for sid, text in echo.received if sid == session.sid]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused_at_once(
    echo: Echo, http: aiohttp.ClientSession, chunked: bool
) -> None:
    """Stock engineio gives no answer at all."""
    session = await Poller(http, echo).open()
    async with wire(echo) as client:
        if chunked:
            head = post_request(session, echo, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
            await client.send(head + b"11000\r\n4" + b"x" * 0x10FFF + b"\r\n")  # and more to come
        else:
            await client.send(post_request(session, echo, 70_000) + b"4")
        assert (await client.head()).startswith(b"HTTP/1.1 413 ")
    assert echo.ended[session.sid] == "too large"
    assert (await session.get())[0] == 400


async def test_a_missing_body_times_out(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    async with wire(echo) as client:
        await client.send(post_request(session, echo, 100) + b"4x")
        assert (await client.head()).startswith(b"HTTP/1.1 408 ")
    assert session.sid in echo.ended


async def test_a_body_that_breaks_off_ends_the_session(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    async with wire(echo) as client:
        await client.send(post_request(session, echo, 100) + b"4x")
    assert await echo.until_ended(session.sid) == "transport error"


async def test_a_post_waits_while_too_many_messages_wait(http: aiohttp.ClientSession) -> None:
    release = asyncio.Event()

    async def blocked(_connection: Connection, _text: str) -> None:
        await release.wait()

    async with echo_server(OPTIONS) as echo:
        echo.handling = blocked
        session = await Poller(http, echo).open()
        assert await session.post(SEPARATOR.join(["4x"] * 100)) == (200, "ok")
        second = asyncio.create_task(session.post("4last"))
        await stays(lambda: not second.done(), seconds=0.05)
        release.set()
        assert await second == (200, "ok")
        await until(lambda: len(echo.received) == 101)
        assert echo.received[-1] == (session.sid, "last")


# --- polls ----------------------------------------------------------------------------------------------------------


async def test_a_second_concurrent_post_ends_the_session(http: aiohttp.ClientSession) -> None:
    """No client sends two at once; from one that does, any number of bodies would wait in memory."""
    release = asyncio.Event()

    async def blocked(_connection: Connection, _text: str) -> None:
        await release.wait()

    async with echo_server(OPTIONS) as echo:
        echo.handling = blocked
        session = await Poller(http, echo).open()
        assert await session.post(SEPARATOR.join(["4x"] * 100)) == (200, "ok")
        waiting = asyncio.create_task(session.post("4waits"))
        await stays(lambda: not waiting.done(), seconds=0.05)
        assert (await session.post("4too much"))[0] == 400
        assert await echo.until_ended(session.sid) == "duplicate post"
        await waiting
        release.set()
        await until(lambda: not echo.engine.tasks.running)
        assert len(echo.received) == 1


async def test_packets_of_one_tick_share_one_poll(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    connection = echo.engine.connections[session.sid]
    poll = asyncio.create_task(session.get())
    await echo.until_polled(session.sid)
    connection.send("1")
    connection.send_frame(Frame("둘".encode()))
    assert await poll == (200, SEPARATOR.join(["41", "4둘"]))


async def test_the_close_packet_can_be_polled_for_a_moment(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    connection = echo.engine.connections[session.sid]
    connection.send("refused")
    connection.close("kicked")
    assert await session.get() == (200, "4refused")
    assert await session.get() == (200, "1")
    assert (await session.get())[0] == 400
    assert echo.ended[session.sid] == "kicked"


async def test_an_open_poll_gets_the_last_packets_and_the_next_one_the_close(
    echo: Echo, http: aiohttp.ClientSession
) -> None:
    session = await Poller(http, echo).open()
    connection = echo.engine.connections[session.sid]
    poll = asyncio.create_task(session.get())
    await echo.until_polled(session.sid)
    connection.send("1")
    connection.send("2")
    connection.close("kicked")
    assert await poll == (200, SEPARATOR.join(["41", "42"]))
    assert await session.get() == (200, "1")
    assert (await session.get())[0] == 400


async def test_an_open_poll_gets_a_close_packet_that_is_alone(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    poll = asyncio.create_task(session.get())
    await echo.until_polled(session.sid)
    echo.engine.connections[session.sid].close("kicked")
    assert await poll == (200, "1")
    assert (await session.get())[0] == 400


async def test_an_unfetched_close_packet_is_dropped(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    echo.engine.connections[session.sid].close("kicked", grace=0.05)
    await until(lambda: not echo.engine._closed)
    assert (await session.get())[0] == 400


async def test_a_client_that_never_polls_is_dropped_by_bytes(http: aiohttp.ClientSession) -> None:
    async with echo_server(replace(OPTIONS, max_send_buffer=65_536)) as echo:
        session = await Poller(http, echo).open()
        connection = echo.engine.connections[session.sid]
        frame = Frame(b"x" * 500)
        for _ in range(200):
            connection.send_frame(frame)
        assert session.sid not in echo.ended  # told later, never from within a broadcast
        assert await echo.until_ended(session.sid) == "slow client"
        assert connection.dropped
        assert connection._carrier._packets == []  # type: ignore[attr-defined]


async def test_a_disconnected_poll_is_noticed(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    async with wire(echo) as client:
        await client.send(f"GET {session.url.removeprefix(echo.url)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await echo.until_polled(session.sid)
    assert await echo.until_ended(session.sid, within=3) == "transport close"


# --- origins --------------------------------------------------------------------------------------------------------


async def test_a_foreign_page_is_refused_without_caching() -> None:
    origin = "https://shop.example"
    async with (
        echo_server(OPTIONS, origin_allowed=lambda handshake: handshake.origin in {None, origin}) as echo,
        aiohttp.ClientSession() as http,
    ):
        url = f"{echo.url}/socket.io/?EIO=4&transport=polling"
        for headers in ({}, {"Origin": origin}):
            async with http.get(url, headers=headers) as response:
                assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
        async with http.get(f"{url}&sid=unknown", headers={"Origin": origin}) as response:
            assert (response.status, response.headers["Cache-Control"]) == (400, "no-store")
            assert await response.json() == {"code": 1, "message": "Session ID unknown"}
        for sid in ("", f"&sid={echo.opened[0].sid}"):
            for method in ("GET", "POST"):
                async with http.request(method, url + sid, headers={"Origin": "https://evil.example"}) as response:
                    assert response.status == 403


# --- crowds ---------------------------------------------------------------------------------------------------------


async def open_from(http: aiohttp.ClientSession, echo: Echo, address: str) -> int:
    """Return the status of a new session that a proxy opens for somebody."""
    url = f"{echo.url}/socket.io/?EIO=4&transport=polling"
    async with http.get(url, headers={"X-Forwarded-For": address}) as response:
        return response.status


async def test_connections_of_an_address_are_limited() -> None:
    options = replace(OPTIONS, max_address_connections=2)
    async with echo_server(options) as echo, aiohttp.ClientSession() as http:
        session = await Poller(http, echo).open()
        async with websocket(http, echo) as open_websocket:
            await hello(open_websocket)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(websocket_url(echo))
            assert refused.value.status == 429
            # Nobody here is a trusted proxy: the header changes nothing.
            assert await open_from(http, echo, "192.0.2.7") == 429
            # What is open goes on, the change to a websocket included.
            assert (await session.post("4still here"))[0] == 200
            async with websocket(http, echo, session.sid) as probing:
                await probing.send_str("2probe")
                assert await probing.receive_str() == "3probe"
        await echo.until_ended(echo.opened[1].sid)
        await Poller(http, echo).open()
    assert not echo.engine.address_limit._open


async def test_a_passing_refusal_leaves_open_sessions_alone(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    async with websocket(http, echo) as socket:
        await hello(socket)
        echo.engine.admits, echo.engine.starts_or_drains = lambda: False, lambda: True
        # Who has a session that is not known here is sent on, too: the balancer has opened it elsewhere.
        for query in ("polling", "websocket", "polling&sid=of-another-node"):
            async with http.get(f"{echo.url}/socket.io/?EIO=4&transport={query}") as response:
                assert (response.status, response.headers["Retry-After"]) == (503, "1")
                body = {"code": "SERVICE_UNAVAILABLE", "retryable": True, "retryAfterMs": 1000}
                assert await response.json() == body
                assert response.headers["Cache-Control"] == "no-store"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(websocket_url(echo))
        assert refused.value.status == 503
        await socket.send_str("4still here")
        assert await socket.receive_str() == "4still here"
        assert (await session.post("4still here"))[0] == 200
        assert await session.get() == (200, "4still here")
        async with websocket(http, echo, session.sid) as probing:
            await probing.send_str("2probe")
            assert await probing.receive_str() == "3probe"
        echo.engine.admits, echo.engine.starts_or_drains = lambda: True, lambda: False
        await Poller(http, echo).open()
    assert (
        echo.metrics.registry.get_sample_value(
            "dorami_connects_refused_total", {"namespace": "handshake", "code": "SERVICE_UNAVAILABLE"}
        )
        == 4
    )


async def test_an_address_over_the_limit_gets_retry_after(http: aiohttp.ClientSession) -> None:
    async with echo_server(replace(OPTIONS, max_address_connections=1)) as echo:
        await Poller(http, echo).open()
        async with http.get(f"{echo.url}/socket.io/?EIO=4&transport=polling") as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "5")
            body = {"code": "RATE_LIMIT_EXCEEDED", "retryable": True, "retryAfterMs": 5000}
            assert await response.json() == body


async def test_behind_a_trusted_proxy_the_address_is_the_clients() -> None:
    options = replace(OPTIONS, max_address_connections=1, trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with echo_server(options) as echo, aiohttp.ClientSession() as http:
        asked = ["192.0.2.1", "192.0.2.2", "198.51.100.9, 192.0.2.1", "2001:db8::1", "2001:db8::2"]
        assert [await open_from(http, echo, address) for address in asked] == [200, 200, 429, 200, 429]


async def test_a_post_to_an_ending_session_is_refused(http: aiohttp.ClientSession) -> None:
    """Its packets are lost. Official clients in mid-upgrade wait for the answer, and hang if it is "ok"."""
    release = asyncio.Event()

    async def blocked(_connection: Connection, _text: str) -> None:
        await release.wait()

    async with echo_server(OPTIONS) as echo:
        echo.handling = blocked
        session = await Poller(http, echo).open()
        assert await session.post(SEPARATOR.join(["4x"] * 65)) == (200, "ok")
        post = asyncio.create_task(session.post("4y"))
        connection = echo.engine.connections[session.sid]
        await until(lambda: connection._inbox is not None and connection._inbox._waiters)
        connection.close("kicked")
        status, body = await post
        assert (status, json.loads(body)["code"]) == (400, 1)
        release.set()


# --- polling to websocket -------------------------------------------------------------------------------------------


async def test_one_upgrade_at_a_time_is_allowed(echo: Echo, http: aiohttp.ClientSession) -> None:
    """Stock engineio takes any number of them, and keeps them when the session has gone."""
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        for _ in range(3):
            async with websocket(http, echo, session.sid) as second:
                assert await close_code(second) == 1008
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe"


async def test_an_upgrade_that_does_not_begin_times_out(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        assert await close_code(socket) == 1008
    assert await session.post("4still here") == (200, "ok")
    assert await session.get() == (200, "4still here")


async def test_a_client_that_polls_on_after_the_time_out_is_not_upgraded(
    echo: Echo, http: aiohttp.ClientSession
) -> None:
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe"
        closed = asyncio.create_task(close_code(socket))
        while not closed.done():
            assert (await session.post("4still here"), await session.get()) == ((200, "ok"), (200, "4still here"))
            poll = asyncio.create_task(session.get())
            await asyncio.wait([poll, closed], return_when=asyncio.FIRST_COMPLETED)
            if not poll.done():
                await session.post("4last")
            assert (await poll) in {(200, "6"), (200, "4last")}
        assert await closed == 1008


async def test_a_client_that_has_stopped_polling_is_upgraded_after_the_time_out(
    echo: Echo, http: aiohttp.ClientSession
) -> None:
    """Official clients hang when the websocket closes then, so it must not."""
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe"
        await asyncio.sleep(2 * OPTIONS.upgrade_timeout)  # in which a server that closes it would have done so
        await socket.send_str("5")
        await socket.send_str("4still here")
        assert await socket.receive_str() == "4still here"


@pytest.mark.parametrize("packets", [["x"], ["5"], ["4hello"], ["2probe", "2probe"], ["2probe", "x"], [b"\x00"]])
async def test_a_wrong_probe_ends_the_websocket_and_polling_goes_on(
    echo: Echo, http: aiohttp.ClientSession, packets: list[str | bytes]
) -> None:
    """Stock engineio stays in mid-upgrade for ever: each poll is answered with a noop at once, in a tight loop."""
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        for packet in packets:
            await (socket.send_str(packet) if isinstance(packet, str) else socket.send_bytes(packet))
        await close_code(socket)
    poll = asyncio.create_task(session.get())
    await echo.until_polled(session.sid)
    assert not poll.done()
    assert await session.post("4still here") == (200, "ok")
    assert await poll == (200, "4still here")


async def test_polls_in_mid_upgrade_end_and_do_not_spin(http: aiohttp.ClientSession) -> None:
    """A client that reads the end of its poll before "3probe" polls again, and waits for the end of that, too."""
    async with echo_server() as echo:
        session = await Poller(http, echo).open()
        async with websocket(http, echo, session.sid) as socket:
            await socket.send_str("2probe")
            assert await socket.receive_str() == "3probe"
            for _ in range(3):
                assert await session.get() == (200, "6")
            poll = asyncio.create_task(session.get())
            await echo.until_polled(session.sid)
            assert not poll.done()
            await socket.send_str("5")
            assert await poll == (200, "6")


async def test_an_unknown_session_is_not_upgraded(echo: Echo, http: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(websocket_url(echo, "unknown"))
    assert refused.value.status == 400


async def test_closing_the_session_closes_a_websocket_that_is_not_probed(
    echo: Echo, http: aiohttp.ClientSession
) -> None:
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        echo.engine.connections[session.sid].close("kicked")
        assert await close_code(socket) == 1008
    assert await session.get() == (200, "1")


@pytest.mark.parametrize("ending", [Connection.close, lambda it, reason: it.violated(1002, reason)])
async def test_the_websocket_of_an_upgrade_outlasts_the_session_until_the_client_has_switched(
    http: aiohttp.ClientSession, ending: Callable[[Connection, str], None]
) -> None:
    """A client that has read "3probe" no longer polls, and reads from the websocket only after its "5"."""
    async with echo_server() as echo:
        session = await Poller(http, echo).open()
        async with websocket(http, echo, session.sid) as socket:
            await socket.send_str("2probe")
            assert await socket.receive_str() == "3probe"
            connection = echo.engine.connections[session.sid]
            connection.send("goodbye")
            ending(connection, "kicked")
            assert echo.ended[session.sid] == "kicked"
            with pytest.raises(TimeoutError):
                await socket.receive(timeout=2 * GRACE)
            await socket.send_str("5")
            assert [await socket.receive_str() for _ in range(2)] == ["4goodbye", "1"]
            assert await close_code(socket) == 1000
        assert (echo.gauge("polling"), echo.gauge("websocket")) == (0, 0)


async def test_the_websocket_of_an_upgrade_does_not_outlast_the_session_for_long(
    echo: Echo, http: aiohttp.ClientSession
) -> None:
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe"
        poll = asyncio.create_task(session.get())
        assert await poll == (200, "6")
        echo.engine.connections[session.sid].close("kicked")
        assert await close_code(socket) == 1008


async def test_an_open_poll_during_an_upgrade_gets_the_end(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe"
        poll = asyncio.create_task(session.get())
        await echo.until_polled(session.sid)
        echo.engine.connections[session.sid].close("kicked")
        status, packets = await poll
        assert (status, packets.removeprefix("6" + SEPARATOR)) == (200, "1")


async def test_a_session_that_is_over_cannot_upgrade(http: aiohttp.ClientSession) -> None:
    """The transport would belong to a connection that is over: nobody would ever end it."""
    release = asyncio.Event()

    async def blocked(_connection: Connection, _text: str) -> None:
        await release.wait()

    async with echo_server(OPTIONS) as echo:
        echo.handling = blocked
        session = await Poller(http, echo).open()
        async with websocket(http, echo, session.sid) as socket:
            await socket.send_str("2probe")
            assert await socket.receive_str() == "3probe"
            await session.post("4last words" + SEPARATOR + "1")
            await socket.send_str("5")
            assert await close_code(socket) == 1000
        assert session.sid not in echo.ended
        release.set()
        assert await echo.until_ended(session.sid) == "transport close"
        assert [text for _, text in echo.received] == ["last words"]


async def test_nothing_is_lost_or_reordered_by_the_upgrade(http: aiohttp.ClientSession) -> None:
    """A client that behaves: it polls, probes, lets its last poll end, changes over. The server sends all the while."""
    async with echo_server(EngineOptions()) as echo:
        for wait in (0.0, 0.002, 0.01):
            session = await Poller(http, echo).open()
            connection = echo.engine.connections[session.sid]
            received: list[str] = []

            enough = asyncio.Event()

            async def send_all(connection: Connection = connection, enough: asyncio.Event = enough) -> int:
                number = 0
                while not enough.is_set():
                    connection.send(str(number))
                    connection.send_frame(Frame(str(number + 1).encode()))
                    number += 2
                    await asyncio.sleep(0.0005)
                return number

            sending = asyncio.create_task(send_all())
            for _ in range(3):
                received += (await session.get())[1].split(SEPARATOR)
            last = asyncio.create_task(session.get())
            async with websocket(http, echo, session.sid) as socket:
                await socket.send_str("2probe")
                assert await socket.receive_str() == "3probe"
                received += (await last)[1].split(SEPARATOR)
                await asyncio.sleep(wait)  # for packets that the server sends between the last poll and the upgrade
                await socket.send_str("5")
                received.append(await socket.receive_str(timeout=allowed(PATIENCE)))
                enough.set()
                sent = await sending
                while f"4{sent - 1}" not in received:
                    received.append(await socket.receive_str(timeout=allowed(PATIENCE)))
            assert [packet for packet in received if packet != "6"] == [f"4{number}" for number in range(sent)]
            assert connection.transport == "websocket"


async def test_messages_of_the_client_keep_their_order_over_the_upgrade(
    echo: Echo, http: aiohttp.ClientSession
) -> None:
    async def slowly(_connection: Connection, _text: str) -> None:
        await asyncio.sleep(0.001)  # messages wait while the upgrade is under way

    async with echo_server(OPTIONS) as own:
        own.handling = slowly
        session = await Poller(http, own).open()
        await session.post(SEPARATOR.join(f"4{number}" for number in range(100)))
        async with websocket(http, own, session.sid) as socket:
            await socket.send_str("2probe")
            assert await socket.receive_str() == "3probe"
            await socket.send_str("5")
            for number in range(100, 200):
                await socket.send_str(f"4{number}")
            await until(lambda: len(own.received) == 200)
        assert [text for _, text in own.received] == [str(number) for number in range(200)]
        await own.until_ended(session.sid)
        assert (own.gauge("polling"), own.gauge("websocket")) == (0, 0)


async def test_tcp_connections_without_a_request_are_counted_by_address() -> None:
    async with echo_server(replace(OPTIONS, max_address_connections=1)) as echo, AsyncExitStack() as stack:
        port = int(echo.url.rpartition(":")[2])

        async def connected() -> asyncio.StreamReader:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            return reader

        readers = [await connected() for _ in range(address_limit.RAW_LEAST)]
        async with time_limit():
            assert await (await connected()).read() == b"", "one too many is closed at once"
        assert not any(reader.at_eof() for reader in readers)
        await stack.aclose()
        await until(lambda: not echo.engine.address_limit._raw, what="forgotten")
        async with aiohttp.ClientSession() as http:
            await Poller(http, echo).open()


async def test_connections_of_http_are_counted_until_they_end() -> None:
    async with echo_server(OPTIONS) as echo, aiohttp.ClientSession() as http:
        async with http.get(f"{echo.url}/nowhere") as answer:
            assert answer.status == 404
        assert sum(echo.engine.address_limit._raw.values()) == 1, "kept alive"
        async with websocket(http, echo) as socket:
            await hello(socket)
            await until(lambda: sum(echo.engine.address_limit._raw.values()) <= 1, what="a websocket counted as such")
    await until(lambda: not echo.engine.address_limit._raw, what="forgotten")
