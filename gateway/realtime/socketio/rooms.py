"""The sockets of this node and the rooms that they are in. The server adds sockets; the fan-out delivers through it."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.realtime.engineio.frame import Frame
from gateway.realtime.logged import Place
from gateway.realtime.packets import with_offset
from gateway.realtime.socketio.frame_batches import FrameBatches, LoggedFrame
from gateway.realtime.socketio.socket import Socket


class Watcher(Protocol):
    """The part of the fan-out that needs to know which rooms have members on this node."""

    async def watch(self, room: Room) -> None:
        """Hear a room; returns when everything published from now on will be delivered."""

    def unwatch(self, room: Room) -> None:
        """Hear a room no more."""

    def place(self, room: Room) -> Place | None:
        """Up to where the logged events of a room were delivered here; None if it has none."""
        ...

    async def reach(self, room: Room, seq: int, within: float) -> bool:
        """Wait until a place was reached; whether that is so after `within` s."""
        ...


class Memory(Protocol):
    """Who remembers where sockets attend."""

    def remember(self, socket: Socket) -> None:
        """A socket attends other rooms than before, or as somebody else."""


class Rooms:
    """The sockets and rooms of this node.

    A socket knows its rooms, so leaving costs what was joined and not what exists. Only authenticated sockets are in a
    table.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._sockets: dict[str, dict[str, Socket]] = {}  # namespace → sid → socket
        self._members: dict[Room, dict[str, Socket]] = {}
        self._batches = FrameBatches(self._members)
        self.flush_to = self._batches.flush_to  # sends a socket what its rooms were told before what it is sent next
        self._without_offsets: Counter[Room] = Counter()  # members that take no offsets
        self._held: Counter[Room] = Counter()  # that are heard for members who are about to come
        self._watcher: Watcher | None = None
        self._memory: Memory | None = None

    def watched_by(self, watcher: Watcher) -> None:
        """Tell `watcher` of the first and the last member of each room. Called once, before the first connection."""
        self._watcher = watcher

    def remembered_by(self, memory: Memory) -> None:
        """Tell `memory` of what sockets attend. Called once, before the first connection."""
        self._memory = memory

    def attended(self, socket: Socket) -> None:
        """A socket attends other rooms than before, or as somebody else."""
        if self._memory is not None:
            self._memory.remember(socket)

    # --- sockets ------------------------------------------------------------------------------------------------------

    def add(self, socket: Socket) -> None:
        """Take in a socket that was authenticated."""
        self._sockets.setdefault(socket.namespace, {})[socket.sid] = socket
        self._metrics.sockets.labels(socket.namespace).inc()

    def remove(self, socket: Socket) -> None:
        """Forget a socket, its rooms included."""
        if self._sockets.get(socket.namespace, {}).pop(socket.sid, None) is None:
            return
        socket.live = False
        self._metrics.sockets.labels(socket.namespace).dec()
        for room in list(socket.joined):
            self.leave(socket, room)

    def socket(self, namespace: str, sid: str) -> Socket | None:
        """The connected socket with this id."""
        return self._sockets.get(namespace, {}).get(sid)

    def sockets(self) -> Iterator[Socket]:
        """All sockets of this node, as of now."""
        for table in list(self._sockets.values()):
            yield from list(table.values())

    def sockets_of(self, namespace: str) -> Mapping[str, Socket]:
        """The sockets of one namespace by sid."""
        return self._sockets.get(namespace, {})

    # --- rooms --------------------------------------------------------------------------------------------------------

    async def enter(self, socket: Socket, room: Room) -> bool:
        """Add a socket to a room; False if it is there already. Raises ConnectionResetError if it left meanwhile."""
        if room.namespace != socket.namespace:
            raise ValueError(f"{socket!r} cannot join {room}")
        if room in socket.joined:
            return False
        # A member first, so that nobody who leaves meanwhile ends the watching; the caller's answer comes after it.
        self.add_member(socket, room)
        try:
            if self._watcher is not None:
                await self._watcher.watch(room)
        except BaseException:
            self._leave(socket, room)
            raise
        if not socket.live:
            self._leave(socket, room)
            raise ConnectionResetError("the client left while it joined")
        return True

    def leave(self, socket: Socket, room: Room) -> bool:
        """Take a socket out of a room; False if it was not there."""
        return self._leave(socket, room)

    @asynccontextmanager
    async def held(self, rooms: Iterable[Room]) -> AsyncIterator[None]:
        """Hear rooms, as if they had a member: for one who is admitted within the block, or not after all."""
        rooms = list(rooms)
        self._held.update(rooms)
        try:
            if self._watcher is not None:
                for room in rooms:
                    await self._watcher.watch(room)
            yield
        finally:
            self._held.subtract(rooms)
            self._held += Counter()  # what nobody waits for is no entry
            for room in rooms:
                self._unwatch(room)

    def members(self, room: Room) -> Mapping[str, Socket]:
        """The members of a room on this node by sid."""
        return self._members.get(room, {})

    def attendees(self, room: Room) -> list[str]:
        """The ids of those who are counted as present in a room on this node, one for each socket."""
        members = self._members.get(room, {}).values()
        return [member.attending[room].user_id for member in members if room in member.attending]

    def place(self, room: Room) -> Place | None:
        """Up to where the members here have been sent what is in a room's log; None for a room without one."""
        return None if self._watcher is None else self._watcher.place(room)

    async def reach(self, room: Room, seq: int, within: float) -> bool:
        """Wait until the members here were sent everything up to a place; whether that is so after `within` s."""
        return self._watcher is not None and await self._watcher.reach(room, seq, within)

    def add_member(self, socket: Socket, room: Room) -> None:
        """Add a socket to a room that is heard already: it hears what is delivered from now on."""
        self._batches.flush(room)
        self._members.setdefault(room, {})[socket.sid] = socket
        socket.joined.add(room)
        if not socket.takes_offsets:
            self._without_offsets[room] += 1

    def _leave(self, socket: Socket, room: Room) -> bool:
        if room not in socket.joined:
            return False
        self._batches.flush(room)
        socket.joined.discard(room)
        members = self._members[room]
        del members[socket.sid]
        if not socket.takes_offsets:
            self._without_offsets[room] -= 1
            if not self._without_offsets[room]:
                del self._without_offsets[room]
        if not members:
            del self._members[room]
            self._unwatch(room)
        return True

    def _unwatch(self, room: Room) -> None:
        if self._watcher is not None and room not in self._members and room not in self._held:
            self._watcher.unwatch(room)

    def deliver(self, room: Room, packet: bytes, offset: str | None = None) -> None:
        """Hand a ready Socket.IO packet to every member on this node. Never raises, never waits.

        `offset` is that of a logged event; members that take one get it as the event's last argument.
        """
        members = self._members.get(room)
        if members:
            self._metrics.delivered.value += len(members)
            if offset is None:
                frame = Frame(packet)
            elif room in self._without_offsets:
                frame = LoggedFrame(packet, offset)
            else:
                frame = Frame(with_offset(packet, offset))
            self._batches.add(room, members, frame)

    def deliver_to(self, sockets: Iterable[Socket], packet: bytes) -> None:
        """Send a ready Socket.IO packet to some sockets, each after what its rooms were sent before."""
        frame = Frame(packet)
        for socket in sockets:
            self.flush_to(socket)
            socket.connection.send_frame(frame)
            self._metrics.delivered.inc()
