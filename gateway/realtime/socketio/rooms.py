"""The sockets of this node and their rooms. The server adds sockets; the fan-out delivers through it."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol

from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.realtime.engineio.transports.frame import Frame
from gateway.realtime.logged import Place, timed
from gateway.realtime.packets import with_offset
from gateway.realtime.socketio.frame_batches import FrameBatches, LoggedFrame
from gateway.realtime.socketio.sampling import MESSAGE, Sampler
from gateway.realtime.socketio.socket import Socket


class Watcher(Protocol):
    """The part of the fan-out that depends on which rooms have members on this node."""

    async def watch(self, room: Room) -> None:
        """Subscribe to a room; return when everything published from then on will be delivered."""

    def unwatch(self, room: Room) -> None:
        """Unsubscribe from a room."""

    def place(self, room: Room) -> Place | None:
        """Return the place of the last logged event delivered here; None for a room without a log."""
        ...

    def began(self, room: Room) -> datetime | None:
        """Return when the stream of a watched room went live first; None if it has not, or if that is not known yet."""
        ...

    def host(self, room: Room) -> str | None:
        """Return the host of the stream of a watched room; None if it is not known."""
        ...

    async def reach(self, room: Room, seq: int, within: float) -> bool:
        """Wait up to `within` s until everything up to `seq` is delivered; return whether it is."""
        ...


class Memory(Protocol):
    """Stores which rooms sockets attend, for recovery."""

    def remember(self, socket: Socket) -> None:
        """Store what a socket attends, after a change."""


class Rooms:
    """The sockets and rooms of this node.

    Each socket holds its own rooms, so removing it does not depend on the number of rooms. Only authenticated sockets
    are added.

    Args:
        metrics: Counts sockets and deliveries.
        window: Seconds for which the frames to a large room are collected; see FrameBatches.
        display_rate: Messages a second of one chat room that all members get; 0 for all messages. See Sampler.
    """

    def __init__(self, metrics: Metrics, *, window: float = 0.0, display_rate: int = 0) -> None:
        self._metrics = metrics
        self._sockets: dict[str, dict[str, Socket]] = {}  # namespace → sid → socket
        self._members: dict[Room, dict[str, Socket]] = {}
        self._batches = FrameBatches(self._members, window)
        self.flush_to = self._batches.flush_to  # sends a socket the waiting frames of its rooms
        self._without_offsets: Counter[Room] = Counter()  # members that take no offsets
        self._held: Counter[Room] = Counter()  # rooms watched for sockets that are about to join
        self._sampler = Sampler(display_rate, self._deliver_timed, metrics, self._host) if display_rate else None
        self._sockets_of_user: Callable[[str], Collection[Socket]] = lambda _: ()
        self._watcher: Watcher | None = None
        self._memory: Memory | None = None

    def watched_by(self, watcher: Watcher) -> None:
        """Notify `watcher` of the first and the last member of each room. Call it once, before the first connection."""
        self._watcher = watcher

    def remembered_by(self, memory: Memory) -> None:
        """Notify `memory` of what sockets attend. Call it once, before the first connection."""
        self._memory = memory

    def looked_up_by(self, sockets_of_user: Callable[[str], Collection[Socket]]) -> None:
        """Find the sockets of a user with a function. Call it once, before the first connection."""
        self._sockets_of_user = sockets_of_user

    def attended(self, socket: Socket) -> None:
        """Store what a socket attends, after it attends other rooms or as another principal."""
        if self._memory is not None:
            self._memory.remember(socket)

    # --- sockets ------------------------------------------------------------------------------------------------------

    def add(self, socket: Socket) -> None:
        """Add an authenticated socket."""
        self._sockets.setdefault(socket.namespace, {})[socket.sid] = socket
        self._metrics.sockets.labels(socket.namespace).inc()

    def remove(self, socket: Socket) -> None:
        """Remove a socket from its rooms and from this node."""
        if self._sockets.get(socket.namespace, {}).pop(socket.sid, None) is None:
            return
        socket.live = False
        self._metrics.sockets.labels(socket.namespace).dec()
        for room in list(socket.joined):
            self.leave(socket, room)

    def socket(self, namespace: str, sid: str) -> Socket | None:
        """Return the connected socket with this id, if any."""
        return self._sockets.get(namespace, {}).get(sid)

    def sockets(self) -> Iterator[Socket]:
        """Iterate over all sockets of this node. Sockets may be added and removed during the iteration."""
        for table in list(self._sockets.values()):
            yield from list(table.values())

    def sockets_of(self, namespace: str) -> Mapping[str, Socket]:
        """Return the sockets of one namespace by sid."""
        return self._sockets.get(namespace, {})

    # --- rooms --------------------------------------------------------------------------------------------------------

    async def enter(self, socket: Socket, room: Room) -> bool:
        """Add a socket to a room; return False if it is a member already.

        Raises ConnectionResetError if the client left in between.
        """
        if room.namespace != socket.namespace:
            raise ValueError(f"{socket!r} cannot join {room}")
        if room in socket.joined:
            return False
        # Add the member before watching, so that another member that leaves in between does not end the watching.
        self.add_member(socket, room)
        try:
            if self._watcher is not None:
                await self._watcher.watch(room)
        except BaseException:
            self.leave(socket, room)
            raise
        if not socket.live:
            self.leave(socket, room)
            raise ConnectionResetError("the client left while it joined")
        return True

    def leave(self, socket: Socket, room: Room) -> bool:
        """Remove a socket from a room; return False if it was not a member."""
        if room not in socket.joined:
            return False
        self._batches.leaves(socket, room)
        socket.joined.discard(room)
        members = self._members[room]
        del members[socket.sid]
        if not socket.takes_offsets:
            self._without_offsets[room] -= 1
            if not self._without_offsets[room]:
                del self._without_offsets[room]
        if not members:
            del self._members[room]
            self._batches.empty(room)
            if self._sampler is not None:
                self._sampler.forget(room)
            self._unwatch(room)
        return True

    @asynccontextmanager
    async def held(self, rooms: Iterable[Room]) -> AsyncIterator[None]:
        """Watch rooms as if they had a member, within the block, for a socket that may join them."""
        rooms = list(rooms)
        self._held.update(rooms)
        try:
            if self._watcher is not None:
                for room in rooms:
                    await self._watcher.watch(room)
            yield
        finally:
            self._held.subtract(rooms)
            self._held += Counter()  # drops entries of 0
            for room in rooms:
                self._unwatch(room)

    def members(self, room: Room) -> Mapping[str, Socket]:
        """Return the members of a room on this node by sid."""
        return self._members.get(room, {})

    def attendees(self, room: Room) -> list[str]:
        """Return the user ids that are counted as present in a room on this node, one for each socket."""
        members = self._members.get(room, {}).values()
        return [member.attending[room].user_id for member in members if room in member.attending]

    def place(self, room: Room) -> Place | None:
        """Return the place of the last logged event sent to members here; None for a room without a log."""
        return None if self._watcher is None else self._watcher.place(room)

    def timed(self, room: Room, packet: bytes) -> bytes:
        """Add the time of a room's stream to an event that only this node sends."""
        return packet if self._watcher is None else timed(packet, self._watcher.began(room))

    async def reach(self, room: Room, seq: int, within: float) -> bool:
        """Wait up to `within` s until members here were sent everything up to `seq`; return whether they were."""
        return self._watcher is not None and await self._watcher.reach(room, seq, within)

    def add_member(self, socket: Socket, room: Room) -> None:
        """Add a socket to a room that is watched already: it gets what is delivered from now on."""
        self._batches.joins(socket, room)
        self._members.setdefault(room, {})[socket.sid] = socket
        socket.joined.add(room)
        if not socket.takes_offsets:
            self._without_offsets[room] += 1
        if self._sampler is not None and (span := self._sampler.spans.get(room)) is not None:
            self.deliver_to((socket,), span.packet)

    def _unwatch(self, room: Room) -> None:
        if self._watcher is not None and room not in self._members and room not in self._held:
            self._watcher.unwatch(room)

    def deliver(self, room: Room, packet: bytes, offset: str | None = None) -> None:
        """Send an encoded Socket.IO packet to every member on this node. Neither raises nor waits.

        `offset` is that of a logged event; members that take offsets get it as the event's last argument. A message
        that is not in the sample of its room is sent only to its sender.
        """
        members = self._members.get(room)
        if members:
            if offset is None:
                frame = Frame(packet)
            elif (
                self._sampler is not None
                and packet.startswith(MESSAGE)
                and (sender := self._sampler.left_out(room, packet, offset)) is not None
            ):
                self._deliver_to_sender(sender, room, packet, offset)
                return
            elif room in self._without_offsets:
                frame = LoggedFrame(packet, offset)
            else:
                frame = Frame(with_offset(packet, offset))
            self._metrics.delivered.value += len(members)
            self._batches.add(room, members, frame)

    def _host(self, room: Room) -> str | None:
        return None if self._watcher is None else self._watcher.host(room)

    def _deliver_timed(self, room: Room, packet: bytes) -> bytes:
        """Send the members of a room an event of this node only; return the packet that was sent."""
        packet = self.timed(room, packet)
        self.deliver(room, packet)
        return packet

    def _deliver_to_sender(self, user_id: str, room: Room, packet: bytes, offset: str) -> None:
        for socket in self._sockets_of_user(user_id):
            if room in socket.joined:
                self.deliver_to((socket,), with_offset(packet, offset) if socket.takes_offsets else packet)

    def deliver_to(self, sockets: Iterable[Socket], packet: bytes) -> None:
        """Send an encoded Socket.IO packet to some sockets, each after the waiting frames of its rooms."""
        frame = Frame(packet)
        for socket in sockets:
            self.flush_to(socket)
            socket.connection.send_frame(frame)
            self._metrics.delivered.inc()
