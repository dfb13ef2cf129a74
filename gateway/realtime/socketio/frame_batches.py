"""Joins the events of a room within one tick of the event loop into one frame for all its members. Used by Rooms."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gateway.keys import Room
from gateway.realtime.engineio.frame import Frame, JoinedFrame
from gateway.realtime.packets import with_offset
from gateway.realtime.socketio.socket import Socket

MAX_UNBATCHED: Final = 16  # members up to which joining costs more than it saves
MAX_BATCH: Final = 32_768  # bytes at which a batch is sent: a transport writes a frame in one piece
PAUSE: Final = 0.005  # s between two writes to rooms at most


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
    rooms, and a room is flushed before its members change. So each client gets a room's events and its own in the order
    in which they were sent, from when it joined until it left. The order between two rooms is not defined.

    Batches grow with the load: after a tick that wrote to rooms, frames wait as long as that tick took, at most PAUSE.
    An idle node delays nothing.
    """

    def __init__(self, members: Mapping[Room, Mapping[str, Socket]]) -> None:
        self._members = members
        self._waiting: dict[Room, _Batch] = {}
        self._busy = False  # frames wait or are being written, or it is a pause after that

    def add(self, room: Room, members: Mapping[str, Socket], frame: Frame) -> None:
        """Send a frame to the members of a room: immediately to a few, else at the end of this tick or of the pause."""
        batch = self._waiting.get(room) if self._waiting else None
        if batch is None:
            if len(members) <= MAX_UNBATCHED:
                bare = _bare(frame)
                for socket in members.values():
                    socket.connection.send_frame(frame if bare is frame or socket.takes_offsets else bare)
                return
            if not self._busy:
                self._busy = True
                asyncio.get_running_loop().call_soon(self._flush_soon)
            batch = self._waiting[room] = _Batch()
        batch.frames.append(frame)
        batch.size += len(frame.websocket)
        if batch.size >= MAX_BATCH:
            self.flush(room)

    def flush_to(self, socket: Socket) -> None:
        """Send a socket the waiting frames of its rooms, before a packet of its own."""
        if self._waiting:
            for room in socket.joined & self._waiting.keys():
                self._waiting[room].send_to(socket)

    def flush(self, room: Room) -> None:
        """Send the waiting frames of a room, before its members change."""
        batch = self._waiting.pop(room, None)
        if batch is not None:
            batch.send(self._members[room].values())

    def _flush_soon(self) -> None:
        # In the next tick, after the acks that are written at the end of this one: a broadcast takes milliseconds.
        asyncio.get_running_loop().call_soon(self._flush_all)

    def _flush_all(self) -> None:
        if not self._waiting:  # no frames were added during the pause
            self._busy = False
            return
        waiting, self._waiting = self._waiting, {}
        started = time.monotonic()
        try:
            for room, batch in waiting.items():
                batch.send(self._members[room].values())
        finally:
            pause = min(PAUSE, time.monotonic() - started)
            asyncio.get_running_loop().call_later(pause, self._flush_all)


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
