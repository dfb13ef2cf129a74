"""The sockets on `/chat` of people who may be staff of a room. Used by the deliveries to staff."""

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
        """Return these sockets by the rooms that they attend."""
        found: dict[Room, list[Socket]] = {}
        for socket in self._staff:
            for room in socket.attending:
                found.setdefault(room, []).append(socket)
        return found

    def _arrived(self, socket: Socket) -> None:
        """Add a socket of staff; also called when a role has changed."""
        self._staff.pop(socket, None)
        if socket.namespace == CHAT and socket.principal.role in STAFF:
            self._staff[socket] = None

    def _departed(self, socket: Socket) -> None:
        self._staff.pop(socket, None)


def is_staff(socket: Socket, room: Room, host_id: str) -> bool:
    """Return whether a socket is in a room and belongs to its staff: a moderator, an administrator or the host."""
    who = socket.principal
    return room in socket.attending and (who.role in MODERATORS or who.hosts(host_id))
