"""One client in one namespace: its principal, its rooms, and methods to send to it. Used by namespaces."""

from typing import TYPE_CHECKING

from gateway.keys import Room
from gateway.protocol.wire import Payload
from gateway.realtime.engineio.transports.frame import Frame
from gateway.realtime.packets import ack_packet, event_packet, success_packet

if TYPE_CHECKING:
    from gateway.realtime.engineio.connection import Connection
    from gateway.realtime.logged import Place
    from gateway.realtime.socketio.rooms import Rooms
    from gateway.security.principal import Principal


class Socket:
    """A connected client of one namespace. Exists only for authenticated clients, so `principal` is always set."""

    # fmt: off
    __slots__ = (
        "_rooms",
        "attending",
        "connection",
        "generation",
        "joined",
        "live",
        "namespace",
        "pid",
        "places",
        "principal",
        "sid",
        "takes_offsets",
    )
    # fmt: on

    def __init__(
        self,
        sid: str,
        namespace: str,
        connection: "Connection",
        principal: "Principal",
        rooms: "Rooms",
        pid: str | None = None,
        *,
        takes_offsets: bool = True,
    ) -> None:
        self.sid = sid
        self.pid = pid  # private id, with which its client can recover this socket; None if it cannot
        self.generation = 0  # how often its client has recovered it
        self.takes_offsets = takes_offsets  # whether logged events have the offset as last argument
        self.namespace = namespace
        self.connection = connection
        self.principal = principal
        self.live = True  # until the client leaves or is disconnected; set by Rooms
        self.joined: set[Room] = set()  # rooms whose broadcasts it gets; set by Rooms
        self.attending: dict[Room, Principal] = {}  # rooms in which it is counted as present, and under which principal
        self.places: dict[Room, Place | None] = {}  # of these rooms, the place after which it may miss logged events
        self._rooms = rooms

    def __repr__(self) -> str:
        return f"<Socket {self.sid} {self.namespace}>"

    @property
    def connected(self) -> bool:
        """Whether its client is still connected. It may have left while its last request is being handled."""
        return self.live and not self.connection.over

    @property
    def dropped(self) -> bool:
        """Whether its connection was closed because the client does not read: the last packets may be lost."""
        return self.connection.dropped

    def send(self, event: str, payload: Payload, room: "Room | None" = None) -> None:
        """Send an event to this client only, with the time of the stream of `room`, in which it is."""
        if self.live:
            packet = event_packet(self.namespace, event, payload)
            self._rooms.flush_to(self)
            self.connection.send_frame(Frame(packet if room is None else self._rooms.timed(room, packet)))

    def succeed(self, ack_id: int, data: Payload) -> None:
        """Ack a successful request: `{"ok": true, "data": …, "ts": …}`."""
        if self.live:
            self._rooms.flush_to(self)
            self.connection.send_frame(Frame(success_packet(self.namespace, ack_id, data)))

    def answer(self, ack_id: int, answer: Payload) -> None:
        """Ack a request with any payload."""
        if self.live:
            self._rooms.flush_to(self)
            self.connection.send_frame(Frame(ack_packet(self.namespace, ack_id, answer)))

    async def enter(self, room: Room) -> bool:
        """Join a room of this socket's namespace; from the return on it gets everything published there.

        Returns False if it is a member already. Raises ConnectionResetError if the client left in between.
        """
        return await self._rooms.enter(self, room)

    def leave(self, room: Room) -> bool:
        """Leave a room; return False if it is not a member."""
        return self._rooms.leave(self, room)

    def attend(self, room: Room, place: "Place | None" = None) -> bool:
        """Record that this socket is counted as present in a room; return False if it is already.

        `place` is that of the last logged event that its client has; by default the newest.
        """
        if room in self.attending:
            return False
        self.attending[room] = self.principal
        self.places[room] = place or self._rooms.place(room)
        self._rooms.attended(self)
        return True

    def reattend(self, room: Room) -> "tuple[Principal, Principal]":
        """Record that it is counted under its current principal; return the previous and the current one."""
        before, self.attending[room] = self.attending[room], self.principal
        self._rooms.attended(self)
        return before, self.principal

    def unattend(self, room: Room) -> "Principal | None":
        """Record that it is no longer counted; return the principal under which it was, None if it was not."""
        who = self.attending.pop(room, None)
        if who is not None:
            del self.places[room]
            self._rooms.attended(self)
        return who
