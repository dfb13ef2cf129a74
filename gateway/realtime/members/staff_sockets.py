"""The sockets on `/chat` of people who may be staff of a room. Used by what is delivered to staff."""

from gateway.keys import CHAT, Room
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import MODERATORS, STAFF


class StaffSockets:
    """The sockets of administrators, moderators and hosts on this node."""

    def __init__(self, sockets: SocketRegistry) -> None:
        self._staff: dict[Socket, None] = {}
        sockets.on_arrival(self._arrived)
        sockets.on_departure(self._departed)

    def by_room(self) -> dict[Room, list[Socket]]:
        """Return the rooms in which there are any of them, with these sockets."""
        there: dict[Room, list[Socket]] = {}
        for socket in self._staff:
            for room in socket.attending:
                there.setdefault(room, []).append(socket)
        return there

    def _arrived(self, socket: Socket) -> None:
        """Note a socket of staff; also called when a role has changed."""
        self._staff.pop(socket, None)
        if socket.namespace == CHAT and socket.principal.role in STAFF:
            self._staff[socket] = None

    def _departed(self, socket: Socket) -> None:
        self._staff.pop(socket, None)


def is_staff(socket: Socket, room: Room, host_id: str) -> bool:
    """Return whether a socket is in a room and belongs to its staff, of which the host is one."""
    who = socket.principal
    return room in socket.attending and (who.role in MODERATORS or who.hosts(host_id))
