"""Rooms that people attend: how one is joined, left and counted. The three namespaces say whose rooms these are."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Protocol, TypeVar

from gateway.keys import Room
from gateway.realtime.presence.presence import Census
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal
from namespaces.base import Namespace, Pipeline

T = TypeVar("T")

NOBODY = Census(0, 0, changed=False)


class Attendance(Protocol):
    """Counts who is in a room and tells the room.

    Nothing here raises. A call that is cancelled has counted all the same, except that a cancelled `enter` has counted
    nobody.
    """

    async def enter(self, room: Room, user_id: str) -> Census: ...
    async def leave(self, room: Room, user_id: str) -> Census: ...
    async def move(self, room: Room, before: str, after: str) -> None: ...
    async def census(self, room: Room) -> Census: ...


class RoomNamespace(Namespace):
    """A namespace with one room for each key. Subclasses say `room` and `allow`; their handlers `enter` and `depart`.

    A socket is counted in exactly the rooms of `socket.attending`, as whom it says there, whatever is given up.
    """

    def __init__(self, pipeline: Pipeline, attendance: Attendance) -> None:
        self._attendance = attendance
        super().__init__(pipeline)

    @staticmethod
    def room(key: str, /) -> Room:
        """The room of a key."""
        raise NotImplementedError

    @staticmethod
    def counts(_room: Room, /) -> bool:
        """Whether who comes and goes is counted in a room. Where not, sockets hear, and recover what they missed."""
        return True

    async def allow(self, principal: Principal, key: str) -> None:
        """Whether somebody may be in the room of a key. Raises GatewayError."""
        raise NotImplementedError

    # --- for handlers -------------------------------------------------------------------------------------------------

    async def enter(self, socket: Socket, key: str, read: Callable[[Census], Awaitable[T]]) -> T:
        """Let a socket into a room, and `read` what it finds there. When any of it fails, it is where it was before.

        The room is heard before it is read, so that nothing that happens there falls between the two.
        """
        room = self.room(key)
        await self.allow(socket.principal, key)
        if room in socket.attending:
            return await read(await self._attendance.census(room))
        await socket.enter(room)
        try:
            return await read(await self.count(socket, room))
        except BaseException:
            await self._take_out(socket, room)
            raise

    async def depart(self, socket: Socket, key: str) -> Census:
        """Let a socket out of a room; how many are there now."""
        room = self.room(key)
        census = await self._take_out(socket, room)
        return await self._attendance.census(room) if census is None else census

    async def _take_out(self, socket: Socket, room: Room) -> Census | None:
        socket.leave(room)
        who = socket.unattend(room)
        return None if who is None else await self._attendance.leave(room, who.user_id)

    # --- for the pipeline ---------------------------------------------------------------------------------------------

    async def readmit(self, principal: Principal, room: Room) -> None:
        """See Namespace."""
        await self.allow(principal, room.key)

    async def count(self, socket: Socket, room: Room) -> Census:
        """Count a socket in a room that it hears. When that is given up, it is not there at all."""
        socket.attend(room)
        if not self.counts(room):
            return NOBODY
        try:
            return await self._attendance.enter(room, socket.attending[room].user_id)
        except BaseException:
            socket.leave(room)
            socket.unattend(room)
            raise

    async def recount(self, socket: Socket, room: Room) -> None:
        """See Namespace."""
        before, after = socket.reattend(room)
        if self.counts(room):
            await self._attendance.move(room, before.user_id, after.user_id)

    async def farewell(self, socket: Socket) -> None:
        """See Namespace. What it attended stays noted: a client that comes back finds it in its session."""
        async with AsyncExitStack() as departures:  # each of them, whatever becomes of the others
            for room, who in socket.attending.items():
                if self.counts(room):
                    departures.push_async_callback(self._attendance.leave, room, who.user_id)
