"""The private parts of other libraries that the engine stands on: each fails here, by name, when an upgrade moves it.

What to do then: read the library's change, move the one file that the test names, raise the bound in pyproject.toml.
"""

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
import socketio
from aiohttp import WSMsgType
from aiohttp._cookie_helpers import parse_cookie_header
from aiohttp._websocket.reader import WebSocketReader
from aiohttp.http import HttpRequestParser, WebSocketError
from redis.asyncio.connection import Connection as RedisConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from gateway.realtime.engineio.transports.frame import FrameQueue
from gateway.realtime.socketio.compat import AsyncServer, _Manager
from gateway.redis.replies import ReplyReader

TEXT = bytes((0x81, 0x82, 0, 0, 0, 0)) + b"hi"  # a masked text frame


def test_python_socketio_builds_its_engine_through_one_method() -> None:
    """gateway/realtime/socketio/compat.py overrides it."""
    asked: dict[str, Any] = {}
    registered: list[str] = []

    class Server(socketio.AsyncServer):  # type: ignore[misc]
        def _engineio_server_class(self) -> Any:
            def build(**options: Any) -> Any:
                asked.update(options)
                return SimpleNamespace(on=lambda event, _handler: registered.append(event), async_mode="x")

            return build

    Server()
    assert asked["async_handlers"] is False
    assert registered == ["connect", "message", "disconnect"]


@pytest.mark.parametrize(
    "method", ["emit", "enter_room", "leave_room", "close_room", "get_rooms", "can_disconnect", "get_participants"]
)
def test_python_socketio_goes_through_its_manager(method: str) -> None:
    """gateway/realtime/socketio/compat.py overrides these, with these arguments."""
    theirs = inspect.signature(getattr(socketio.AsyncManager, method)).parameters
    ours = inspect.signature(getattr(_Manager, method)).parameters
    assert [name for name in theirs if name != "kwargs"] == [name for name in ours if name != "_"]


@pytest.mark.parametrize("method", ["disconnect", "on", "register_namespace"])
def test_python_socketio_s_server_takes_these_arguments(method: str) -> None:
    """gateway/realtime/socketio/compat.py overrides these."""
    theirs = inspect.signature(getattr(socketio.AsyncServer, method)).parameters
    assert list(inspect.signature(getattr(AsyncServer, method)).parameters) == list(theirs)


@pytest.mark.parametrize("limit_reached", [False, True])
def test_the_compiled_reader_of_aiohttp_feeds_our_queue(limit_reached: bool) -> None:
    """gateway/realtime/engineio/transports/websocket.py reads frames with it."""
    assert "reader_c" in WebSocketReader.__module__, "the compiled reader is not there: this would be slow"
    inlet = FrameQueue()
    reader = WebSocketReader(inlet, 2 if limit_reached else 3, compress=False, decode_text=True)
    reader.feed_data(TEXT[:3])
    assert limit_reached or inlet.take() == ([], None)
    reader.feed_data(TEXT[3:])
    messages, error = inlet.take()
    if limit_reached:
        assert isinstance(error, WebSocketError)
        assert error.code == 1009
    else:
        assert [tuple(message)[:2] for message in messages] == [(WSMsgType.TEXT, "hi")]
        assert error is None


async def test_aiohttp_s_request_parser_stops_at_an_upgrade() -> None:
    """gateway/realtime/engineio/front.py parses the heads of websockets with it."""
    parser = HttpRequestParser(SimpleNamespace(), asyncio.get_running_loop(), 16_384)  # type: ignore[arg-type]
    head = b"GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    messages, upgraded, rest = parser.feed_data(head + TEXT)
    ((message, _),) = messages
    assert (message.method, message.url.query["EIO"], message.headers["host"]) == ("GET", "4", "x")
    assert (upgraded, rest) == (True, TEXT)


def test_aiohttp_s_cookie_parser() -> None:
    """gateway/security/browsers/cookies.py reads cookies as `request.cookies` does."""
    assert [(name, morsel.value) for name, morsel in parse_cookie_header("a=1; accessToken=x.y.z")] == [
        ("a", "1"),
        ("accessToken", "x.y.z"),
    ]


async def test_redis_py_reads_through_a_replaceable_stream() -> None:
    """gateway/redis/replies.py reads from it as soon as a connection is open."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\ndata\r\n:1\r\n-NOPERM no\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        host, port = server.sockets[0].getsockname()
        connection = RedisConnection(host=host, port=port, protocol=2, driver_info=None)
        await connection.connect()  # type: ignore[no-untyped-call]
        with pytest.raises(ResponseError, match="NOPERM"):
            await ReplyReader(connection).some()
        await connection.disconnect()
        with pytest.raises(RedisConnectionError):
            ReplyReader(connection)
