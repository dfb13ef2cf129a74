"""A worker's listener: connections that arrive while the worker ends reach another worker, or are closed."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway.http.connection import connections
from gateway.metrics import Metrics
from gateway.realtime.engineio.server import EngineOptions, EngineServer
from gateway.workers.board import Board, State
from gateway.workers.handover import HandOver
from gateway.workers.pipe import pair
from gateway.workers.seat import Seat
from gateway.workers.shared_listener import SharedListener
from tests.doubles import stand_in
from tests.timing import until

REQUEST = b"GET /path HTTP/1.1\r\nHost: shop.example\r\n\r\n"


class Scene(NamedTuple):
    """The listener of worker 1, and what it hands over to worker 2."""

    listener: SharedListener
    board: Board
    other: list[tuple[socket.socket, bytes]]
    stack: AsyncExitStack

    def connection(self) -> tuple[socket.socket, socket.socket]:
        """Return the two ends of a new connection: the client's and the server's."""
        ends = socket.socketpair()
        self.stack.callback(ends[0].close)
        ends[0].settimeout(5)
        return ends

    def accept_elsewhere(self) -> None:
        """Let worker 2 accept connections."""
        self.board.beat(self.board.claim(2), 0, State.READY)


async def gather() -> bytes:
    return b""


async def http() -> tuple[web.AppRunner, web.Server]:
    """Return an application that answers every request, and its server."""
    runner = web.AppRunner(web.Application())
    await runner.setup()
    assert runner.server is not None
    return runner, runner.server


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        board, metrics, other = Board.create(2), Metrics(), list[tuple[socket.socket, bytes]]()
        seat = Seat(1, 1, board.claim(1), "http://127.0.0.1", board.descriptor, 0, [], [])
        listener = SharedListener(seat, board, 75.0, gather)
        first = HandOver(1, "/socket.io/", board, metrics.handed_over, listener.adopt)
        second = HandOver(2, "/socket.io/", board, metrics.handed_over, lambda end, head: other.append((end, head)))
        ends = pair()
        first.meet(2, ends[0])
        second.meet(1, ends[1])
        listener.handover = first
        runner, server = await http()
        engine = EngineServer(EngineOptions(), metrics, origin_allowed=lambda _: True)
        await listener.open(engine, server, stand_in(None))
        await listener.serve()
        yield Scene(listener, board, other, stack)
        await listener.end()
        second.close()
        await runner.cleanup()
        for end, _ in other:
            end.close()


async def received(client: socket.socket) -> bytes:
    """Return what a client receives next; empty if its connection was closed."""
    try:
        return await asyncio.to_thread(client.recv, 1000)
    except ConnectionResetError:
        return b""


async def test_a_connection_is_served_until_the_listener_is_closed(scene: Scene) -> None:
    scene.listener.retire()
    client, accepted = scene.connection()
    scene.listener.adopt(accepted, REQUEST)
    assert (await received(client)).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("head", [None, b"", REQUEST])
async def test_a_late_connection_is_handed_to_another_worker(scene: Scene, head: bytes | None) -> None:
    scene.accept_elsewhere()
    scene.listener.close()
    client, accepted = scene.connection()
    scene.listener.adopt(accepted, head)
    await until(lambda: bool(scene.other))
    [(end, passed)] = scene.other
    assert passed == (head or b"")
    end.sendall(b"answered")
    assert await received(client) == b"answered"


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_listener_is_closed_while_a_connection_arrives(scene: Scene, *, elsewhere: bool) -> None:
    client, accepted = scene.connection()
    with capture_logs() as entries:
        scene.listener.adopt(accepted, REQUEST)
        await asyncio.sleep(0)  # the event loop has begun to connect it
        if elsewhere:
            scene.accept_elsewhere()
        scene.listener.close()
        if elsewhere:
            await until(lambda: bool(scene.other))
            assert scene.other[0][1] == REQUEST
        else:
            assert await received(client) == b""
    assert not entries


async def test_a_late_connection_is_closed_when_all_workers_end(scene: Scene) -> None:
    scene.listener.close()
    client, accepted = scene.connection()
    scene.listener.adopt(accepted, REQUEST)
    assert await received(client) == b""


async def test_a_connection_may_be_lost_before_its_task_begins() -> None:
    runner, server = await http()
    connection = connections(server)(lambda: None)
    end, client = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, end)
    connection.connection_made(transport)
    task = stand_in(connection)._task_handler
    connection.connection_lost(None)
    await task  # aiohttp's own would fail
    transport.abort()
    client.close()
    await runner.cleanup()
