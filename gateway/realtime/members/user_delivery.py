"""The users on `/`, and events for all sockets of one of them on all nodes. Services send a UserEvent to reach them.

There is no channel for each person: that would cost a subscription a client, most of which never hear anything. What is
for one person is a notice to all nodes, of which those that have a socket of theirs hand it over.
"""

from collections.abc import Callable

from gateway.keys import ROOT
from gateway.protocol.wire import Typed
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.notices import NoticeSource, UserEvent
from gateway.realtime.socketio.socket import Socket


class UserDelivery:
    """Who has a socket on `/` of this node. Guests are nobody here: nothing is addressed to them."""

    def __init__(self, sockets: SocketRegistry, notices: NoticeSource) -> None:
        self._sockets = sockets
        self._seen: dict[str, None] = {}  # since `here` was asked last some of them have left
        self._listeners: list[Callable[[str], None]] = []
        self._departures: list[Callable[[str, Socket], None]] = []
        sockets.on_arrival(self._arrived)
        sockets.on_departure(self._departed)
        notices.on_notice(UserEvent, self._send)

    def on_arrival(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the id of a user who has a new socket on `/`."""
        self._listeners.append(listener)

    def on_departure(self, listener: Callable[[str, Socket], None]) -> None:
        """Call `listener` with the id of a user and the socket on `/` that they have no more."""
        self._departures.append(listener)

    def here(self) -> list[str]:
        """The ids of all users with a socket on `/`."""
        self._seen = {user: None for user in self._seen if self.sockets(user)}
        return list(self._seen)

    def sockets(self, user_id: str) -> list[Socket]:
        """The sockets of one user on `/`; those whose client is gone are none, although they may not be cleaned up."""
        return [socket for socket in self._sockets.of_user(user_id) if socket.namespace == ROOT and socket.hears]

    def _arrived(self, socket: Socket) -> None:
        if socket.namespace == ROOT and socket.principal.authenticated:
            self._seen[socket.principal.user_id] = None
            for listener in self._listeners:
                listener(socket.principal.user_id)

    def _departed(self, socket: Socket) -> None:
        if socket.namespace == ROOT and socket.principal.authenticated:
            for listener in self._departures:
                listener(socket.principal.user_id, socket)

    async def _send(self, notice: UserEvent) -> None:
        payload = Typed(type=notice.event, data=notice.data)
        for socket in self.sockets(notice.user_id):
            socket.send(notice.event, payload)
