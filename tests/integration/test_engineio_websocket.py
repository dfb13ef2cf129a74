"""Websocket connections of the engine: framing, limits, slow readers, deadlines, and leaks."""

import asyncio
import contextlib
import gc
import time
import weakref
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from gateway.realtime.engineio.connection import Connection
from gateway.realtime.engineio.options import GRACE
from gateway.realtime.engineio.server import EngineOptions
from gateway.realtime.engineio.transports.frame import Frame
from tests.integration.engineio_echo import (
    Echo,
    Wire,
    close_code,
    echo_server,
    hello,
    masked,
    upgrade_request,
    websocket,
    wire,
)
from tests.timing import PATIENCE, allowed, scaled, stays, turns, until

LARGEST = 4096
OPTIONS = EngineOptions(max_packet_size=LARGEST)
TEXT, CONTINUATION, FIN = 0x01, 0x00, 0x80


@pytest.fixture(scope="module")
async def echo() -> AsyncIterator[Echo]:
    """Return a server with small packets."""
    async with echo_server(OPTIONS) as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client."""
    async with aiohttp.ClientSession() as session:
        yield session


@contextlib.asynccontextmanager
async def connected(echo: Echo, receive_buffer: int | None = None) -> AsyncIterator[tuple[Wire, Connection]]:
    """Return a websocket made of bytes, and the server's side of it."""
    async with wire(echo, receive_buffer) as client:
        await client.upgrade(echo)
        assert (await client.frame())[1].startswith(b"0{")
        yield client, echo.opened[-1]


# --- frames ---------------------------------------------------------------------------------------------------------


async def test_a_fragmented_message_is_joined_with_a_ping_in_between(echo: Echo) -> None:
    async with connected(echo) as (client, _):
        await client.send(masked("4안".encode()[:3], TEXT))
        await client.send(masked(b"p", 0x89))
        await client.send(masked("4안".encode()[3:], CONTINUATION) + masked("녕", FIN | CONTINUATION))
        assert await client.frame() == (10, b"p")
        assert await client.frame() == (1, "4안녕".encode())


async def test_frames_may_arrive_byte_by_byte_and_many_at_once(echo: Echo) -> None:
    async with connected(echo) as (client, connection):
        for byte in masked("4slowly"):
            await client.send(bytes((byte,)))
        assert await client.frame() == (1, b"4slowly")
        await client.send(b"".join(masked(f"4{number}") for number in range(3000)))
        for number in range(3000):
            assert await client.frame() == (1, f"4{number}".encode())
        assert [text for sid, text in echo.received if sid == connection.sid][1:] == [str(n) for n in range(3000)]


BROKEN = {
    "text that is not UTF-8": (masked(b"4\xff\xfe"), 1007),
    "fragments that are not UTF-8": (masked(b"4\xff", TEXT) + masked(b"\xfe", FIN | CONTINUATION), 1007),
    "a reserved bit, which only compression uses": (masked("4x", 0xC1), 1002),
    "a reserved opcode": (masked("4x", 0x83), 1002),
    "a continuation of nothing": (masked("4x", FIN | CONTINUATION), 1002),
    "a new message within a fragmented one": (masked("4x", TEXT) + masked("4y"), 1002),
    "a fragmented ping": (masked("x", 0x09), 1002),
    "a long ping": (masked("x" * 126, 0x89), 1002),
    "a close of one byte": (masked(b"\x03", 0x88), 1002),
    "a close with a forbidden code": (masked((1005).to_bytes(2, "big"), 0x88), 1002),
    "an oversized message": (masked("4" + "x" * LARGEST), 1009),
    "an oversized message by its head alone": (masked("4" + "x" * 70_000)[:20], 1009),
    "a message of nearly endless length": (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1009),
    "an oversized message in fragments": (
        masked("4" + "x" * 3000, TEXT) + masked("x" * 3000, FIN | CONTINUATION), 1009,
    ),
    "binary": (masked(b"\x00\x01", 0x82), 1003),
    "an empty text": (masked(""), 1002),
    "an unknown packet": (masked("x"), 1002),
    "an open packet": (masked("0{}"), 1002),
    "a ping packet, which only servers send": (masked("2"), 1002),
    "an upgrade of what is no polling session": (masked("5"), 1002),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_frames_close_with_the_right_code(echo: Echo, name: str) -> None:
    """Stock engineio lets the exception of an empty or unknown packet escape: no close frame, and the session stays."""
    data, code = BROKEN[name]
    async with connected(echo) as (client, connection):
        await client.send(data)
        assert await client.close_code() == code
        assert connection.sid not in echo.engine.connections
        assert echo.ended[connection.sid] == ("too large" if code == 1009 else "parse error")
        await client.gone(within=GRACE + 1)


async def test_the_largest_message_is_accepted(echo: Echo) -> None:
    async with connected(echo) as (client, _):
        await client.send(masked("4" + "x" * (LARGEST - 1)))
        assert await client.frame() == (1, b"4" + b"x" * (LARGEST - 1))


@pytest.mark.parametrize(("sent", "answered"), [(b"\x03\xe9bye", b"\x03\xe9"), (b"", b"")])
async def test_a_close_frame_is_answered_with_its_code(echo: Echo, sent: bytes, answered: bytes) -> None:
    async with connected(echo) as (client, connection):
        await client.send(masked(sent, 0x88) + masked("4too late"))
        assert await client.frame() == (8, answered)
        assert await client.reader.read() == b""
        assert echo.ended[connection.sid] == "transport close"
        assert (connection.sid, "too late") not in echo.received


async def test_a_client_that_vanishes_is_noticed(echo: Echo) -> None:
    async with connected(echo) as (client, connection):
        client.writer.transport.abort()
        assert await echo.until_ended(connection.sid) in {"transport close", "transport error"}
        assert not connection.dropped


# --- the upgrade request --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Key": "!" * 24}, 400),
        ({"Sec_WebSocket_Key": None}, 400),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Version": None}, 426),
        ({"Connection": "close"}, 400),
        ({"Upgrade": None}, 400),
        ({"Upgrade": "h2c"}, 400),
        ({"Content_Length": "1"}, 400),
        ({"Content_Length": "5"}, 400),
        ({"Transfer_Encoding": "chunked"}, 400),
        ({"Sec_WebSocket_Protocol": "a b"}, 400),
    ],
)
async def test_a_wrong_upgrade_is_refused(echo: Echo, changes: dict[str, str | None], status: int) -> None:
    async with wire(echo) as client:
        await client.send(upgrade_request(echo, **changes))
        head = await client.head()
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert (b"Sec-WebSocket-Version: 13" in head) is (status == 426)


async def test_an_unknown_extension_is_not_accepted(echo: Echo) -> None:
    async with wire(echo) as client:
        await client.send(upgrade_request(echo, Sec_WebSocket_Extensions="x-other; a=1"))
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Extensions" not in head
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head


async def test_a_head_may_come_in_pieces_with_frames_behind_it(echo: Echo) -> None:
    async with wire(echo) as client:
        request = upgrade_request(echo)
        for piece in (request[:3], request[3:20], request[20:-1]):
            await client.send(piece)
            await asyncio.sleep(0.01)  # the server reads the pieces one by one, mostly
        await client.send(request[-1:] + masked("4early"))
        assert (await client.head()).startswith(b"HTTP/1.1 101 ")
        assert (await client.frame())[1].startswith(b"0{")
        assert await client.frame() == (1, b"4early")


async def test_a_websocket_may_follow_a_request_on_its_connection(echo: Echo) -> None:
    """A proxy keeps its connections to us and sends whatever comes next over them."""
    async with wire(echo) as client:
        await client.send(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await client.head()
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await client.reader.readexactly(length)
        await client.upgrade(echo, rest=masked("4early"))
        assert (await client.frame())[1].startswith(b"0{")
        assert await client.frame() == (1, b"4early")
        await client.send(masked("4late"))
        assert await client.frame() == (1, b"4late")


async def test_anything_else_is_answered_by_http(echo: Echo) -> None:
    for request in (b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /socket.io HTTP/1.1\r\nHost: x\r\n\r\n"):
        async with wire(echo) as client:
            await client.send(request)
            assert (await client.head()).startswith(b"HTTP/1.1 404 ")
    async with wire(echo) as client:
        await client.send(b"GET /socket.io/ HTTP/1.1\r\nX: " + b"x" * 20_000)
        assert b" 400 " in await client.head()


async def test_a_silent_or_slow_request_is_closed() -> None:
    async with echo_server(replace(OPTIONS, head_timeout=0.2)) as echo, wire(echo) as silent, wire(echo) as slow:
        await slow.send(b"GET /socket.io/?EIO=4")
        await asyncio.gather(silent.gone(), slow.gone())


async def test_origins_that_are_not_allowed_are_refused() -> None:
    async with (
        echo_server(
            OPTIONS, origin_allowed=lambda handshake: handshake.origin in {None, "https://shop.example"}
        ) as echo,
        wire(echo) as good,
        wire(echo) as none,
        wire(echo) as evil,
    ):
        await good.send(upgrade_request(echo, Origin="https://shop.example"))
        await none.send(upgrade_request(echo))
        await evil.send(upgrade_request(echo, Origin="https://evil.example", X_Forwarded_Host="evil.example"))
        assert b" 101 " in await good.head()
        assert b" 101 " in await none.head()
        assert (await evil.head()).startswith(b"HTTP/1.1 403 ")
        handshake = echo.opened[0].handshake
        assert handshake is not None
        assert (handshake.remote, handshake.secure, handshake.path) == ("127.0.0.1", False, "/socket.io/")


# --- sending --------------------------------------------------------------------------------------------------------


async def test_what_one_tick_sends_is_in_order_and_ends_with_the_close(echo: Echo) -> None:
    async with connected(echo) as (client, connection):
        connection.send("1")
        connection.send_frame(Frame("둘".encode()))
        connection.send("3" * 70_000)
        connection.close("kicked")
        connection.send("never")
        connection.send_frame(Frame(b"never"))
        connection.close("again")
        expected = [(1, b"41"), (1, "4둘".encode()), (1, b"4" + b"3" * 70_000), (1, b"1"), (8, b"\x03\xe8")]
        assert [await client.frame() for _ in expected] == expected
        assert echo.ended[connection.sid] == "kicked"
        # A client that does not answer the close frame loses its transport all the same.
        await client.gone(within=GRACE + 1)


async def test_a_connection_closed_while_the_peer_blocks_is_gone_after_the_grace() -> None:
    async with echo_server(OPTIONS) as echo, connected(echo, receive_buffer=2048) as (client, connection):
        connection.send("x" * 900_000)
        await turns()  # the kernel takes no more, if it does not take everything
        connection.close("kicked", grace=0.1)
        await client.gone()


async def test_a_slow_reader_is_dropped_by_bytes_with_bounded_memory() -> None:
    """Stock engineio queues without limit: 50,000 messages to a client that does not read stay in memory."""
    options = replace(OPTIONS, max_send_buffer=65_536)
    async with echo_server(options) as echo, connected(echo, receive_buffer=2048) as (client, connection):
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        other = await asyncio.open_connection(*echo.address)
        frame = Frame(b"x" * 500)
        held = 0
        for _ in range(50_000):
            connection.send_frame(frame)
            if connection.closed:
                break
            carrier = connection._carrier
            held = max(held, carrier._size)  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        assert echo.ended[connection.sid] == "slow client"
        assert held <= 65_536
        assert connection.dropped
        assert echo.counted("slow client") == 1
        assert not connection._carrier._out  # type: ignore[attr-defined]
        other[1].close()


async def test_a_slow_reader_is_dropped_within_one_burst_without_disturbing_the_broadcast() -> None:
    """The room must not change under the loop that sends to it: the end is handled after the burst."""
    options = replace(OPTIONS, max_send_buffer=65_536)
    async with echo_server(options) as echo, connected(echo, receive_buffer=2048) as (client, connection):
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        frame = Frame(b"x" * 60_000)
        for _ in range(200):
            connection.send_frame(frame)
        assert connection.sid not in echo.ended
        assert connection._carrier._size <= 65_536  # type: ignore[attr-defined]
        assert await echo.until_ended(connection.sid) == "slow client"


async def test_a_reader_without_progress_is_dropped_by_time() -> None:
    options = replace(OPTIONS, max_send_delay=scaled(0.3), max_send_buffer=50_000_000)
    async with echo_server(options) as echo, connected(echo, receive_buffer=2048) as (client, connection):
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        begun = time.monotonic()
        for _ in range(100):
            connection.send("x" * 100_000)
        assert await echo.until_ended(connection.sid) == "slow client"
        assert time.monotonic() - begun > options.max_send_delay / 2, "it was dropped too soon"
        assert connection.dropped


async def test_a_slow_reader_that_makes_progress_is_kept_and_gets_everything_in_order() -> None:
    options = replace(OPTIONS, max_send_delay=scaled(0.4), max_send_buffer=50_000_000)
    async with echo_server(options) as echo, connected(echo, receive_buffer=4096) as (client, connection):
        for number in range(400):
            connection.send(f"{number:04}" + "x" * 20_000)
        for number in range(400):
            opcode, payload = await client.frame()
            assert (opcode, payload[:5]) == (1, f"4{number:04}".encode())
            if number % 40 == 0:
                await asyncio.sleep(options.max_send_delay / 8)  # ten pauses: longer than the limit in all
        assert connection.sid not in echo.ended


# --- receiving ------------------------------------------------------------------------------------------------------


async def test_messages_are_handled_one_after_the_other() -> None:
    running = most = 0

    async def slowly(connection: Connection, text: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 if int(text) % 2 else 0)  # a second message would be handled in between
        running -= 1
        connection.send(text)

    async with echo_server(OPTIONS) as echo, connected(echo) as (client, connection):
        echo.handling = slowly
        await client.send(b"".join(masked(f"4{number}") for number in range(200)))
        for number in range(200):
            assert await client.frame() == (1, f"4{number}".encode())
        assert most == 1
        await until(lambda: not connection.busy)
        assert not echo.engine.tasks.running


async def test_a_flood_does_not_starve_others() -> None:
    """One read from the kernel may bring twenty thousand of the smallest messages."""
    async with echo_server(OPTIONS) as echo, connected(echo) as (flood, flooding), connected(echo) as (client, _):
        echo.handling = silent
        await flood.send(masked("4x") * 30_000)
        await client.send(masked("4please"))
        await until(lambda: len(echo.received) == 30_001)
        assert [text for _, text in echo.received].index("please") < 2000  # of 30,000
        assert flooding.sid not in echo.ended


async def silent(_connection: Connection, _text: str) -> None:
    """Handle a message without waiting."""


async def test_reading_pauses_while_messages_wait() -> None:
    release = asyncio.Event()

    async def blocked(_connection: Connection, _text: str) -> None:
        await release.wait()

    async with echo_server(OPTIONS) as echo, connected(echo) as (client, connection):
        echo.handling = blocked
        flood = b"".join(masked(f"4{number}") for number in range(200_000))
        sending = asyncio.create_task(client.send(flood))
        await until(lambda: connection._carrier._reading_paused)  # type: ignore[attr-defined]
        inbox = connection._inbox
        assert inbox is not None
        # Of 200,000: what one slice of bytes held.
        await stays(lambda: len(inbox._messages) < 3000, seconds=0.05)
        release.set()
        await sending
        await until(lambda: len(echo.received) == 200_000)
        assert [text for _, text in echo.received] == [str(number) for number in range(200_000)]


async def test_messages_before_a_disconnect_are_handled() -> None:
    release = asyncio.Event()

    async def blocked(_connection: Connection, _text: str) -> None:
        await release.wait()

    async with echo_server(OPTIONS) as echo, connected(echo) as (client, connection):
        echo.handling = blocked
        await client.send(masked("4first") + masked("4second") + masked("1") + masked("4too late"))
        await client.close_code()
        await client.gone()
        assert connection.sid not in echo.ended
        release.set()
        assert await echo.until_ended(connection.sid) == "transport close"
        assert [text for _, text in echo.received] == ["first", "second"]


async def test_messages_that_wait_at_a_close_are_not_handled() -> None:
    release = asyncio.Event()

    async def blocked(_connection: Connection, _text: str) -> None:
        await release.wait()

    async with echo_server(OPTIONS) as echo, connected(echo) as (client, connection):
        echo.handling = blocked
        await client.send(masked("4first") + masked("4second"))
        await until(lambda: len(echo.received) == 1)
        connection.close("kicked")
        assert echo.ended[connection.sid] == "kicked"
        release.set()
        await until(lambda: not echo.engine.tasks.running)
        assert [text for _, text in echo.received] == ["first"]


async def test_an_exception_of_a_handler_ends_only_its_connection(echo: Echo) -> None:
    async def explode(_connection: Connection, _text: str) -> None:
        raise RuntimeError("boom")

    async with echo_server(OPTIONS) as own, connected(own) as (client, connection), connected(own) as (_, other):
        own.handling = explode
        await client.send(masked("4x"))
        assert await client.close_code() == 1000
        assert own.ended == {connection.sid: "internal error"}
        assert other.sid in own.engine.connections


# --- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("talks", [False, True])
async def test_a_connection_that_joins_nothing_is_closed(talks: bool) -> None:
    """Stock engineio keeps sockets that never enter a namespace for ever, six tasks each."""
    async with echo_server(replace(OPTIONS, connect_timeout=0.2)) as echo:
        echo.joins = False
        async with connected(echo) as (client, connection):
            if talks:
                await client.send(masked("4hello"))
                assert await client.frame() == (1, b"4hello")
            assert await client.close_code() == 1000
            assert echo.ended[connection.sid] == "connect timeout"


async def test_a_connection_that_has_joined_stays() -> None:
    async with echo_server(replace(OPTIONS, connect_timeout=0.1)) as echo, connected(echo) as (client, connection):
        await asyncio.sleep(0.3)  # in which a connection that has not joined would be closed
        await client.send(masked("4hello"))
        assert await client.frame() == (1, b"4hello")
        assert connection.sid not in echo.ended


async def test_a_blocked_peer_without_pongs_is_cut_at_the_ping_timeout() -> None:
    """Stock engineio waits for the blocked writer for ever: a descriptor and three tasks until the peer gives up."""
    options = replace(OPTIONS, ping_interval=scaled(0.1), ping_timeout=scaled(0.2), max_send_buffer=50_000_000)
    async with echo_server(options) as echo, connected(echo, receive_buffer=2048) as (client, connection):
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(100):
            connection.send("x" * 100_000)
        assert await echo.until_ended(connection.sid) == "ping timeout"
        assert connection.dropped
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]
        await client.gone()


async def test_a_ping_overtakes_queued_packets() -> None:
    options = replace(OPTIONS, ping_interval=0.2, ping_timeout=5, max_send_buffer=50_000_000)
    async with echo_server(options) as echo, connected(echo, receive_buffer=2048) as (client, connection):
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(200):
            connection.send("x" * 100_000)
        await asyncio.sleep(2 * options.ping_interval)  # the ping is sent behind packets that wait
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]
        frames = [await client.frame() for _ in range(201)]
        assert frames.index((1, b"2")) < 200
        assert connection.sid not in echo.ended


# --- what is left ---------------------------------------------------------------------------------------------------


async def test_idle_connections_have_no_task_and_closed_ones_no_memory() -> None:
    async with echo_server(OPTIONS) as echo, contextlib.AsyncExitStack() as stack:
        before = len(asyncio.all_tasks())
        clients = [(await stack.enter_async_context(connected(echo)))[0] for _ in range(50)]
        assert len(asyncio.all_tasks()) == before
        assert echo.gauge("websocket") == 50
        references = [weakref.ref(connection) for connection in echo.opened]
        gc.collect()
        gc.disable()
        stack.callback(gc.enable)
        for client in clients:
            client.writer.transport.abort()
        await until(lambda: not echo.engine.connections)
        echo.opened.clear()
        assert echo.gauge("websocket") == 0
        assert not echo.engine.wheel._buckets
        # Freed by counting references: a node that many clients leave need not wait for the garbage collector.
        await until(lambda: not any(reference() for reference in references))


async def test_closing_the_engine_ends_connections_after_their_handlers(http: aiohttp.ClientSession) -> None:
    release = asyncio.Event()

    async def slowly(connection: Connection, text: str) -> None:
        await release.wait()
        connection.send(text)

    async with echo_server(OPTIONS) as echo, websocket(http, echo) as idle, websocket(http, echo) as busy:
        await hello(idle)
        await hello(busy)
        echo.handling = slowly
        await busy.send_str("4last")
        await until(lambda: len(echo.received) == 1)
        closing = asyncio.create_task(echo.engine.close("server shutdown", allowed(PATIENCE)))
        assert await close_code(idle) == 1000
        release.set()
        assert await busy.receive_str() == "4last"
        assert await close_code(busy) == 1000
        await closing
        assert set(echo.ended.values()) == {"server shutdown"}
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with websocket(http, echo):
                pass
        assert refused.value.status == 503
