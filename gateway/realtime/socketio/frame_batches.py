"""Joins what a room hears within one tick of the event loop into one frame for all of its members. Kept by rooms."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gateway.keys import Room
from gateway.realtime.engineio.frame import Frame, JoinedFrame
from gateway.realtime.packets import with_offset
from gateway.realtime.socketio.socket import Socket

FEW: Final = 16  # members for whom joining costs more than it spares
FULL: Final = 32_768  # bytes that are joined at most: a transport writes a frame in one piece
PAUSE: Final = 0.005  # s at most that rooms are not written to, after they were written to


class LoggedFrame(Frame):
    """A logged event with its offset as last argument, and without it for members that take none."""

    __slots__ = ("bare",)

    def __init__(self, packet: bytes, offset: str) -> None:
        super().__init__(with_offset(packet, offset))
        self.bare = Frame(packet)


def _bare(frame: Frame) -> Frame:
    return frame.bare if isinstance(frame, LoggedFrame) else frame


class FrameBatches:
    """The frames that are to be sent next, by room.

    A member then costs one frame a tick and not one a message: with 8 messages in a tick 0.05 µs a delivery before the
    kernel instead of 0.25. Whoever is sent something by itself gets what waits here before it, and a room is flushed
    before its members change: so each client hears a room's events and its own in the order in which they came about,
    from when it joined until it left. Of two rooms' events that wait together either may come first.

    A busy node joins more: after a tick in which it wrote to rooms it gathers for as long as that tick took, at most
    PAUSE. So the more there is to write the more is joined, and an idle node delays nothing.
    """

    def __init__(self, members: Mapping[Room, Mapping[str, Socket]]) -> None:
        self._members = members
        self._waiting: dict[Room, _Batch] = {}
        self._busy = False  # something waits to be sent, is being written, or a pause is on

    def add(self, room: Room, members: Mapping[str, Socket], frame: Frame) -> None:
        """Send a frame to the members of a room, at the end of this tick or of the pause, or, to a few, at once."""
        batch = self._waiting.get(room) if self._waiting else None
        if batch is None:
            if len(members) <= FEW:
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
        if batch.size >= FULL:
            self.flush(room)

    def flush_to(self, socket: Socket) -> None:
        """Send a socket what waits for it: what it is sent next, by itself, came about later."""
        if self._waiting:
            for room in socket.joined & self._waiting.keys():
                self._waiting[room].send_to(socket)

    def flush(self, room: Room) -> None:
        """Send what waits for a room: its members are about to change."""
        batch = self._waiting.pop(room, None)
        if batch is not None:
            batch.send(self._members[room].values())

    def _flush_soon(self) -> None:
        # Behind the acks of this tick, which are written at its end: a broadcast to many takes milliseconds.
        asyncio.get_running_loop().call_soon(self._flush_all)

    def _flush_all(self) -> None:
        if not self._waiting:  # nothing came during the pause
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
    """What waits for one room."""

    __slots__ = ("_ahead", "frames", "size")

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.size = 0  # bytes in frames
        self._ahead: dict[Socket, int] = {}  # how many of the frames somebody has got already

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
