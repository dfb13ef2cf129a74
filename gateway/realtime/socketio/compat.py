"""python-socketio's `AsyncServer` on this gateway's server and rooms, for other code in the same aiohttp application.

The only file that touches python-socketio. The composition root attaches it to the application.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import socketio
from aiohttp import web

from gateway.keys import ROOT, Room
from gateway.realtime.engineio.server import EngineServer
from gateway.realtime.packets import event_packet
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.server import SocketServer
from gateway.realtime.socketio.socket import Socket


class AsyncServer(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio has no types
    """python-socketio's documented methods for sending, rooms and disconnecting, for the sockets of this node.

    Only the namespaces in `namespaces/` receive events: `on`, `event` and `register_namespace` raise. To broadcast on
    all nodes, a service publishes through the fan-out.

    Relies on two parts of python-socketio: `BaseServer.__init__` builds its Engine.IO server through
    `_engineio_server_class()`, and the public methods call the manager. tests/unit/test_seams.py checks both.
    """

    def __init__(self, server: SocketServer, rooms: Rooms, engine: EngineServer) -> None:
        self._server = server
        self._rooms = rooms
        self._engine = _Engine(engine)
        super().__init__(client_manager=_Manager(rooms), async_handlers=False)

    def _engineio_server_class(self) -> Any:
        return lambda **_: self._engine

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:  # noqa: ARG002
        """Disconnect a socket of this node, if there is one with this id."""
        if (socket := self._rooms.socket(namespace or ROOT, sid)) is not None:
            self._server.disconnect(socket)

    def on(self, event: str, handler: Any = None, namespace: str | None = None) -> NoReturn:
        """Not supported. Raises TypeError."""
        raise TypeError(
            f"{event} on {namespace or ROOT} must be a row in the table of a class in namespaces/: {handler}"
        )

    def register_namespace(self, namespace_handler: Any) -> NoReturn:
        """Not supported. Raises TypeError."""
        raise TypeError(f"{namespace_handler} must be a class in namespaces/ that the node mounts")


class _Engine:
    """The part of an Engine.IO server that `BaseServer` uses."""

    async_mode = "aiohttp"

    def __init__(self, engine: EngineServer) -> None:
        self._engine = engine

    def on(self, event: str, handler: Any) -> None:
        """Ignore the handlers of `BaseServer`: SocketServer handles connections instead."""

    def attach(self, app: web.Application, path: str) -> None:
        """Serve polling under `path`. Websockets are served by `EngineServer.protocol_factory`."""
        app.router.add_route("*", "/" + path.lstrip("/"), self._engine.handle)

    def transport(self, sid: str) -> str:
        """Return the transport of a connection. Raises KeyError."""
        return self._engine.connections[sid].transport


class _Manager(socketio.AsyncManager):  # type: ignore[misc]  # python-socketio has no types
    """python-socketio's client manager, based on Rooms."""

    def __init__(self, rooms: Rooms) -> None:
        super().__init__()
        self._rooms = rooms

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: str | list[str] | None = None,
        skip_sid: str | list[str] | None = None,
        callback: Any = None,
        to: str | list[str] | None = None,
        **_: Any,
    ) -> None:
        """Send to a room, a sid or a list of these; to the whole namespace by default."""
        if callback is not None:
            raise ValueError("broadcasts take no ack; send a request id in the payload instead")
        skip = {skip_sid} if isinstance(skip_sid, str) else set(skip_sid or ())
        targets = [socket for socket in self._find(namespace, to or room) if socket.sid not in skip]
        self._rooms.deliver_to(targets, event_packet(namespace, event, data))

    def _find(self, namespace: str, room: Any) -> list[Socket]:
        found: dict[str, Socket] = {}
        for name in room if isinstance(room, (list, tuple)) else [room]:
            if name is None:
                found |= self._rooms.sockets_of(namespace)
            elif (socket := self._rooms.socket(namespace, name)) is not None:
                found[socket.sid] = socket
            else:
                found |= self._rooms.members(Room(namespace, name))
        return list(found.values())

    def get_namespaces(self) -> Iterable[str]:
        return list(dict.fromkeys(socket.namespace for socket in self._rooms.sockets()))

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """Yield (sid, Engine.IO sid) of each member of a room or of a list of rooms, once."""
        for socket in self._find(namespace, room):
            yield socket.sid, socket.connection.sid

    def is_connected(self, sid: str, namespace: str) -> bool:
        return self._rooms.socket(namespace, sid) is not None

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        socket = self._rooms.socket(namespace, sid)
        return socket.connection.sid if socket else None

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        """Return the names of a socket's rooms, including its own sid as in python-socketio."""
        socket = self._rooms.socket(namespace, sid)
        return [sid, *(room.name for room in socket.joined)] if socket else []

    async def enter_room(self, sid: str, namespace: str, room: str, eio_sid: str | None = None) -> None:  # noqa: ARG002
        socket = self._rooms.socket(namespace, sid)
        if socket is None:
            raise ValueError("sid is not connected to requested namespace")
        await socket.enter(Room(namespace, room))

    async def leave_room(self, sid: str, namespace: str, room: str) -> None:
        if (socket := self._rooms.socket(namespace, sid)) is not None:
            socket.leave(Room(namespace, room))

    async def close_room(self, room: str, namespace: str) -> None:
        for socket in list(self._rooms.members(Room(namespace, room)).values()):
            socket.leave(Room(namespace, room))

    async def can_disconnect(self, sid: str, namespace: str) -> bool:
        return self.is_connected(sid, namespace)
