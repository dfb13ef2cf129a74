"""Finds and ends the connections of people on this node, on request of another node. Driven by notices."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import groupby
from typing import Protocol

from gateway.clocks import now
from gateway.errors import Code
from gateway.protocol import events
from gateway.protocol.answers import Farewell
from gateway.protocol.payloads.cluster import ConnectionView
from gateway.protocol.wire import Payload
from gateway.realtime.engineio.connection import Connection
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.notices import (
    ConnectionEnded,
    ConnectionsAsked,
    ConnectionsFound,
    ConnectionSought,
    NoticeSender,
    NoticeSource,
)
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.socket import Socket

FAREWELL = Farewell(code=Code.FORBIDDEN, reconnect=False)


class Notices(NoticeSender, NoticeSource, Protocol):
    """Sends notices to all nodes, and receives those of all."""


class ConnectionFinder:
    """Answers every question with the connections found, even none, so that the asking node knows which have answered.

    Args:
        node_id: The name of this node.
        process_id: The id of this process in the table `nodes`.
        rooms: The sockets of this node.
        registry: The same sockets by user.
        notices: Sends and receives notices.
        kick: Ends a socket after sending it an event.
    """

    def __init__(
        self,
        node_id: str,
        process_id: str,
        rooms: Rooms,
        registry: SocketRegistry,
        notices: Notices,
        kick: Callable[[Socket, str, Payload], None],
    ) -> None:
        self._node_id = node_id
        self._process_id = process_id
        self._rooms = rooms
        self._registry = registry
        self._notices = notices
        self._kick = kick
        notices.on_notice(ConnectionsAsked, self._asked)
        notices.on_notice(ConnectionSought, self._sought)
        notices.on_notice(ConnectionEnded, self._end)

    async def _asked(self, notice: ConnectionsAsked) -> None:
        await self._answer(notice.question, self._registry.of_user(notice.user_id))

    async def _sought(self, notice: ConnectionSought) -> None:
        await self._answer(notice.question, self._of(notice.connection_id))

    async def _end(self, notice: ConnectionEnded) -> None:
        sockets = self._of(notice.connection_id)
        await self._answer(notice.question, sockets)
        for socket in sockets:
            self._kick(socket, events.AUTH_REVOKED, FAREWELL)

    def _of(self, connection_id: str) -> list[Socket]:
        return [socket for socket in self._rooms.sockets() if public_id(socket.connection) == connection_id]

    async def _answer(self, question: str, sockets: Iterable[Socket]) -> None:
        by_connection = groupby(sorted(sockets, key=_sid), key=_sid)
        found = [self._view(list(group)).model_dump(mode="json") for _, group in by_connection]
        await self._notices.notify(ConnectionsFound(question, self._process_id, found))

    def _view(self, sockets: list[Socket]) -> ConnectionView:
        connection, who = sockets[0].connection, sockets[0].principal
        age = asyncio.get_running_loop().time() - connection.opened
        rooms = {f"{room.namespace} {room.name}" for socket in sockets for room in socket.attending}
        return ConnectionView(
            id=public_id(connection),
            node=self._node_id,
            user_id=who.user_id,
            username=who.username,
            role=who.role,
            transport=connection.transport,
            address=connection.address,
            connected_at=now() - timedelta(seconds=age),
            namespaces=sorted(socket.namespace for socket in sockets),
            rooms=sorted(rooms),
        )


def public_id(connection: Connection) -> str:
    """Return an id of a connection for administrators; its session id would let them take over a polling connection."""
    return hashlib.blake2b(connection.sid.encode(), digest_size=12).hexdigest()


def _sid(socket: Socket) -> str:
    return socket.connection.sid
