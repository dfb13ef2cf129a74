"""Joins the packets to a room within a tick of the event loop or a window into one frame. Used by Rooms."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gateway.keys import Room
from gateway.realtime.engineio.transports.frame import Frame, JoinedFrame
from gateway.realtime.packets import with_offset
from gateway.realtime.socketio.socket import Socket

MAX_UNBATCHED: Final = 16  # members up to which joining costs more than it saves
MAX_BATCH: Final = 32_768  # bytes at which a batch is sent: a transport writes a frame in one piece
PAUSE: Final = 0.005  # s between two writes to rooms at most
LARGE: Final = 1_000  # members on this node; above that a write takes 10 ms and more


class LoggedFrame(Frame):
    """A logged event with its offset as last argument, and without (`bare`) for members that take no offsets."""

    __slots__ = ("bare",)

    def __init__(self, packet: bytes, offset: str) -> None:
        super().__init__(with_offset(packet, offset))
        self.bare = Frame(packet)


def _bare(frame: Frame) -> Frame:
    return frame.bare if isinstance(frame, LoggedFrame) else frame


class FrameBatches:
    """The frames that wait to be sent, by room.

    Each member costs one frame per tick instead of one per message: with 8 messages in a tick, 0.05 µs per delivery
    before the kernel instead of 0.25. Before a socket is sent a packet of its own it gets the waiting frames of its
    rooms; one that joins gets none of the frames that wait already, and one that leaves gets them first. So each client
    gets a room's events and its own in the order in which they were sent, from when it joined until it left. The order
    between two rooms is not defined.

    Batches grow with the load: after a tick that wrote to rooms, frames wait as long as that tick took, at most PAUSE.
    A room with more than LARGE members is written to once in `window` s. An idle node delays nothing.
    """

    def __init__(self, members: Mapping[Room, Mapping[str, Socket]], window: float = 0.0) -> None:
        self._members = members
        self._window = window
        self._waiting: dict[Room, _Batch] = {}
        self._due: list[Room] = []  # rooms whose frames are to be sent at the next flush
        self._written: dict[Room, float] = {}  # when large rooms were last written to
        self._busy = False  # frames are due or being written, or the pause after that has not ended

    def add(self, room: Room, members: Mapping[str, Socket], frame: Frame) -> None:
        """Send a frame to the members of a room: immediately to a few, else at the end of this tick or of a pause."""
        batch = self._waiting.get(room) if self._waiting else None
        if batch is None:
            if len(members) <= MAX_UNBATCHED:
                bare = _bare(frame)
                for socket in members.values():
                    socket.connection.send_frame(frame if bare is frame or socket.takes_offsets else bare)
                return
            batch = self._waiting[room] = _Batch()
            if len(members) <= LARGE or not self._gathers(room, batch):
                self._make_due(room, batch)
        batch.frames.append(frame)
        batch.size += len(frame.websocket)
        if batch.size >= MAX_BATCH:
            self._flush(room)

    def joins(self, socket: Socket, room: Room) -> None:
        """Keep the waiting frames of a room from a socket that joins it now."""
        if self._waiting and (batch := self._waiting.get(room)) is not None:
            batch.skip(socket)

    def leaves(self, socket: Socket, room: Room) -> None:
        """Send a socket the waiting frames of a room that it is about to leave."""
        if self._waiting and (batch := self._waiting.get(room)) is not None:
            batch.send_to(socket)
            batch.forget(socket)

    def empty(self, room: Room) -> None:
        """Forget a room whose last member has left."""
        self._waiting.pop(room, None)
        self._written.pop(room, None)

    def flush_to(self, socket: Socket) -> None:
        """Send a socket the waiting frames of its rooms, before a packet of its own."""
        if self._waiting:
            for room in socket.joined & self._waiting.keys():
                self._waiting[room].send_to(socket)

    def _gathers(self, room: Room, batch: "_Batch") -> bool:
        """Return whether the window since the last write to a large room is still open; then flush at its end."""
        loop = asyncio.get_running_loop()
        left = self._written.get(room, 0.0) + self._window - loop.time()
        if left <= 0:
            return False
        loop.call_later(left, self._make_due, room, batch)
        return True

    def _make_due(self, room: Room, batch: "_Batch") -> None:
        if self._waiting.get(room) is not batch:  # it was full and has been sent
            return
        self._due.append(room)
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._flush_soon)

    def _flush_soon(self) -> None:
        # In the next tick, after the acks that are written at the end of this one: a broadcast takes milliseconds.
        asyncio.get_running_loop().call_soon(self._flush_due)

    def _flush_due(self) -> None:
        if not self._due:  # no frames became due during the pause
            self._busy = False
            return
        due, self._due = self._due, []
        loop = asyncio.get_running_loop()
        due.reverse()
        started = time.monotonic()
        try:
            while due:
                self._flush(due.pop())
        finally:
            self._due += due  # after an error: the other rooms are written to after the pause
            pause = min(PAUSE, time.monotonic() - started)
            loop.call_later(pause, self._flush_due)

    def _flush(self, room: Room) -> None:
        batch = self._waiting.pop(room, None)
        if batch is None:
            return
        members = self._members[room]
        if len(members) > LARGE and self._window:
            self._written[room] = asyncio.get_running_loop().time()
        batch.send(members.values())


class _Batch:
    """The waiting frames of one room."""

    __slots__ = ("_ahead", "frames", "size")

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.size = 0  # bytes in frames
        self._ahead: dict[Socket, int] = {}  # how many of the frames a socket has been sent already

    def send_to(self, socket: Socket) -> None:
        for frame in self.frames[self._ahead.get(socket, 0) :]:
            socket.connection.send_frame(frame if socket.takes_offsets else _bare(frame))
        self._ahead[socket] = len(self.frames)

    def skip(self, socket: Socket) -> None:
        self._ahead[socket] = len(self.frames)

    def forget(self, socket: Socket) -> None:
        self._ahead.pop(socket, None)

    def send(self, members: Iterable[Socket]) -> None:
        whole = bare = _joined(self.frames)
        if any(isinstance(frame, LoggedFrame) for frame in self.frames):
            bare = _joined([_bare(frame) for frame in self.frames])
        for socket in members:
            if self._ahead and socket in self._ahead:
                self.send_to(socket)
            else:
                socket.connection.broadcast(whole if bare is whole or socket.takes_offsets else bare)


def _joined(frames: Sequence[Frame]) -> Frame:
    return frames[0] if len(frames) == 1 else JoinedFrame(frames)
