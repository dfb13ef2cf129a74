"""Sends events to all sockets of one user on `/`, on all nodes. Services send a UserEvent for that.

Users have no channel of their own: that would cost a subscription for each client, and most would never receive
anything. A UserEvent is a notice to all nodes, and those with sockets of the user deliver it.
"""

from collections.abc import Callable

from gateway.keys import ROOT
from gateway.protocol.wire import Typed
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.notices import NoticeSource, UserEvent
from gateway.realtime.socketio.socket import Socket


class EventsToUsers:
    """The users with a socket on `/` of this node. Guests do not count: no events are addressed to them."""

    def __init__(self, sockets: SocketRegistry, notices: NoticeSource) -> None:
        self._sockets = sockets
        self._seen: dict[str, None] = {}  # users that may have left since the last call of `connected`
        self._listeners: list[Callable[[str], None]] = []
        self._departures: list[Callable[[str, Socket], None]] = []
        sockets.on_arrival(self._arrived)
        sockets.on_departure(self._departed)
        notices.on_notice(UserEvent, self._send)

    def on_arrival(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the user id of each new socket on `/`."""
        self._listeners.append(listener)

    def on_departure(self, listener: Callable[[str, Socket], None]) -> None:
        """Call `listener` with the user id and the socket of each socket on `/` that has ended."""
        self._departures.append(listener)

    def connected(self) -> list[str]:
        """Return the ids of all users with a connected socket on `/`."""
        self._seen = {user: None for user in self._seen if self.sockets(user)}
        return list(self._seen)

    def sockets(self, user_id: str) -> list[Socket]:
        """Return the connected sockets of one user on `/`, without those that only wait to be cleaned up."""
        return [socket for socket in self._sockets.of_user(user_id) if socket.namespace == ROOT and socket.connected]

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
