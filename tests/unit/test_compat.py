"""python-socketio's `AsyncServer` on our server: what it documents for sending and rooms works on our tables."""

import asyncio

import pytest
import socketio
from aiohttp import web

from gateway.realtime.socketio.compat import AsyncServer
from tests.unit.test_server import Harness


@pytest.fixture
def harness() -> Harness:
    return Harness()


@pytest.fixture
def sio(harness: Harness) -> AsyncServer:
    return AsyncServer(harness.server, harness.rooms, harness.engine)  # type: ignore[arg-type]  # a double


async def test_emit_goes_to_a_room_a_sid_or_everybody(harness: Harness, sio: AsyncServer) -> None:
    connection, socket = await harness.enter("c1")
    other, _ = await harness.enter("c2")
    await sio.enter_room(socket.sid, "live:a", namespace="/chat")
    assert sio.rooms(socket.sid, namespace="/chat") == [socket.sid, "live:a"]
    await sio.emit("e", {"a": 1}, room="live:a", namespace="/chat")
    await sio.emit("one", {}, to=[socket.sid, "live:a"], namespace="/chat")
    await sio.emit("skipped", {}, namespace="/chat", skip_sid=socket.sid)
    assert connection.sent[1:] == ['2/chat,["e",{"a":1}]', '2/chat,["one",{}]']
    assert other.sent[1:] == ['2/chat,["skipped",{}]']


async def test_emit_takes_no_callback(harness: Harness, sio: AsyncServer) -> None:
    await harness.enter()
    with pytest.raises(ValueError, match="no ack"):
        await sio.emit("e", {}, namespace="/chat", callback=print)


async def test_rooms_are_left_and_closed(harness: Harness, sio: AsyncServer) -> None:
    sockets = [(await harness.enter(f"c{number}"))[1] for number in range(3)]
    for socket in sockets:
        await sio.enter_room(socket.sid, "live:a", namespace="/chat")
    await sio.leave_room(sockets[0].sid, "live:a", namespace="/chat")
    assert not sockets[0].joined
    await sio.close_room("live:a", namespace="/chat")
    assert [socket.joined for socket in sockets] == [set(), set(), set()]
    with pytest.raises(ValueError, match="not connected"):
        await sio.enter_room("nobody", "live:a", namespace="/chat")


async def test_disconnect_ends_a_socket_of_this_node(harness: Harness, sio: AsyncServer) -> None:
    connection, socket = await harness.enter()
    await sio.disconnect("nobody", namespace="/chat")
    await sio.disconnect(socket.sid, namespace="/chat")
    assert connection.sent[-1] == "1/chat,"
    assert harness.empty


async def test_event_handlers_cannot_be_registered(sio: AsyncServer) -> None:
    with pytest.raises(TypeError, match="e on /chat must be a row"):
        sio.on("e", print, namespace="/chat")
    with pytest.raises(TypeError, match="must be a row"):
        sio.event(print)

    with pytest.raises(TypeError, match="must be a class in namespaces/"):
        sio.register_namespace(socketio.AsyncNamespace("/x"))


async def test_it_attaches_to_an_application(harness: Harness, sio: AsyncServer) -> None:
    assert isinstance(sio, socketio.AsyncServer)
    assert asyncio.iscoroutinefunction(harness.engine.handle)
    app = web.Application()
    sio.attach(app, "/socket.io/")
    assert {resource.canonical for resource in app.router.resources()} == {"/socket.io/"}
