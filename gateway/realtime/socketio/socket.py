"""One client in one namespace, as the namespaces see it: who they are, what they joined, how to answer them."""

from typing import TYPE_CHECKING

from gateway.keys import Room
from gateway.protocol.wire import Payload
from gateway.realtime.engineio.frame import Frame
from gateway.realtime.packets import ack_packet, event_packet, success_packet

if TYPE_CHECKING:
    from gateway.realtime.engineio.connection import Connection
    from gateway.realtime.logged import Place
    from gateway.realtime.socketio.rooms import Rooms
    from gateway.security.principal import Principal


class Socket:
    """A connected client of one namespace. Exists only for authenticated clients: `principal` is never missing."""

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
        self.pid = pid  # known to its client alone, who may come back as this socket with it
        self.generation = 0  # how often its client has come back as it
        self.takes_offsets = takes_offsets  # as the last argument of logged events
        self.namespace = namespace
        self.connection = connection
        self.principal = principal
        self.live = True  # until the client leaves or is made to; kept by Rooms
        self.joined: set[Room] = set()  # what it hears; kept by Rooms
        self.attending: dict[Room, Principal] = {}  # where it is counted as present, as whom; kept by the namespaces
        self.places: dict[Room, Place | None] = {}  # from where on it would miss what is logged there
        self._rooms = rooms

    def __repr__(self) -> str:
        return f"<Socket {self.sid} {self.namespace}>"

    @property
    def hears(self) -> bool:
        """Whether its client is there, as far as is known: it may be gone while its last request is worked on."""
        return self.live and not self.connection.over

    @property
    def dropped(self) -> bool:
        """Whether its connection was given up because nobody read any more: what was sent last may not have arrived."""
        return self.connection.dropped

    def send(self, event: str, payload: Payload) -> None:
        """Send an event to this client alone."""
        if self.live:
            self._rooms.flush_to(self)
            self.connection.send_frame(Frame(event_packet(self.namespace, event, payload)))

    def succeed(self, ack_id: int, data: Payload) -> None:
        """Answer a request that was done and whose client asked for an ack: `{"ok": true, "data": …, "ts": …}`."""
        if self.live:
            self._rooms.flush_to(self)
            self.connection.send_frame(Frame(success_packet(self.namespace, ack_id, data)))

    def answer(self, ack_id: int, answer: Payload) -> None:
        """Answer a request whose client asked for an ack with something else."""
        if self.live:
            self._rooms.flush_to(self)
            self.connection.send_frame(Frame(ack_packet(self.namespace, ack_id, answer)))

    async def enter(self, room: Room) -> bool:
        """Join a room of this socket's namespace; from the return on it hears all that is published there.

        False if it was there already. Raises ConnectionResetError if the client left meanwhile.
        """
        return await self._rooms.enter(self, room)

    def leave(self, room: Room) -> bool:
        """Leave a room; False if it was not there."""
        return self._rooms.leave(self, room)

    def attend(self, room: Room, place: "Place | None" = None) -> bool:
        """Note that this socket is counted as present in a room, as who it is now; False if it was already.

        `place`: up to where its client knows the room's log; the newest unless given.
        """
        if room in self.attending:
            return False
        self.attending[room] = self.principal
        self.places[room] = place or self._rooms.place(room)
        self._rooms.attended(self)
        return True

    def reattend(self, room: Room) -> "tuple[Principal, Principal]":
        """Note that it is counted as who it is now; as whom it was, and as whom it is."""
        before, self.attending[room] = self.attending[room], self.principal
        self._rooms.attended(self)
        return before, self.principal

    def unattend(self, room: Room) -> "Principal | None":
        """Note that it is counted no more; as whom it was, None if it was not."""
        who = self.attending.pop(room, None)
        if who is not None:
            del self.places[room]
            self._rooms.attended(self)
        return who
