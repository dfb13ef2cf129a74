"""Joining and leaving rooms, and counting their members. The base class of the three namespaces."""

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
    """Counts members of rooms and broadcasts the changes.

    No method raises. A cancelled call has its effect all the same, except that a cancelled `enter` counts nobody.
    """

    async def enter(self, room: Room, user_id: str) -> Census: ...
    async def leave(self, room: Room, user_id: str) -> Census: ...
    async def move(self, room: Room, before: str, after: str) -> None: ...
    async def census(self, room: Room) -> Census: ...


class RoomNamespace(Namespace):
    """A namespace with one room per stream. Subclasses define `room` and `allow`; handlers call `enter` and `depart`.

    A socket is counted in exactly the rooms of `socket.attending`, as the principal there, even after cancellations.
    """

    def __init__(self, pipeline: Pipeline, attendance: Attendance) -> None:
        self._attendance = attendance
        super().__init__(pipeline)

    @staticmethod
    def room(key: str, /) -> Room:
        """Return the room of a stream key."""
        raise NotImplementedError

    @staticmethod
    def counts(_room: Room, /) -> bool:
        """Return whether members of a room are counted. All sockets receive and recover its events."""
        return True

    async def allow(self, principal: Principal, key: str) -> None:
        """Raise GatewayError if somebody may not be in the room of a stream."""
        raise NotImplementedError

    # --- for handlers -------------------------------------------------------------------------------------------------

    async def enter(self, socket: Socket, key: str, read: Callable[[Census], Awaitable[T]]) -> T:
        """Add a socket to a room, and return the result of `read`, the snapshot. An error removes the socket again.

        The socket receives the room's events before the snapshot is read, so that no event is missed between the two.
        """
        room = self.room(key)
        await self.allow(socket.principal, key)
        if room in socket.attending:
            return await read(await self._attendance.census(room))
        await socket.enter(room)
        try:
            return await read(await self.count(socket, room))
        except BaseException:
            await self._remove(socket, room)
            raise

    async def depart(self, socket: Socket, key: str) -> Census:
        """Remove a socket from a room; return the census after that."""
        room = self.room(key)
        census = await self._remove(socket, room)
        return await self._attendance.census(room) if census is None else census

    async def _remove(self, socket: Socket, room: Room) -> Census | None:
        socket.leave(room)
        who = socket.unattend(room)
        return None if who is None else await self._attendance.leave(room, who.user_id)

    # --- for the pipeline ---------------------------------------------------------------------------------------------

    async def check_return(self, principal: Principal, room: Room) -> None:
        """See Namespace."""
        await self.allow(principal, room.key)

    async def count(self, socket: Socket, room: Room) -> Census:
        """Count a socket in a room whose events it receives. An error or cancellation removes it from the room."""
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
        """See Namespace. `socket.attending` is not changed: a recovery reads it from the session."""
        async with AsyncExitStack() as departures:  # runs all, even if one fails
            for room, who in socket.attending.items():
                if self.counts(room):
                    departures.push_async_callback(self._attendance.leave, room, who.user_id)
