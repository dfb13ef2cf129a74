"""The base class of the three namespaces: connecting sockets, joining and leaving rooms, counting their members."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, ClassVar, Protocol, TypeVar

from gateway.errors import Code, Forbidden
from gateway.keys import Room
from gateway.protocol import events
from gateway.protocol.payloads.accounts import (
    AuthRefresh,
    AuthRefreshed,
    Connected,
    ConnectionSuccess,
    Limits,
    RateLimit,
)
from gateway.protocol.wire import Typed
from gateway.realtime.engineio.handshake import Handshake
from gateway.realtime.presence.presence import Census
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal
from gateway.security.tokens.authenticator import authenticate_first, extract_tokens
from namespaces.pipeline import Pipeline, Shared
from namespaces.routes import CREDENTIALS, Route

T = TypeVar("T")
G = TypeVar("G", bound=Connected)

NOBODY = Census(0, 0, changed=False)


class Attendance(Protocol):
    """Counts members of rooms and broadcasts the changes.

    No method raises. A cancelled call still takes effect, except that a cancelled `enter` counts nobody.
    """

    async def enter(self, room: Room, user_id: str) -> Census: ...
    async def leave(self, room: Room, user_id: str) -> Census: ...
    async def move(self, room: Room, before: str, after: str) -> None: ...
    async def census(self, room: Room) -> Census: ...


class Namespace(ABC):
    """A Socket.IO namespace with a table of events and one room per stream.

    Subclasses define `name`, `room`, `routes` and `allow`; their handlers call `enter` and `depart`. A socket is
    counted in exactly the rooms of `socket.attending`, as the principal there, even after cancellations.
    """

    name: ClassVar[str]

    def __init__(self, shared: Shared, attendance: Attendance) -> None:
        self._shared = shared
        self._attendance = attendance
        self._routes: dict[str, Route] = {
            events.AUTH_REFRESH: Route(AuthRefresh, self._refresh, raises=CREDENTIALS | {Code.NOT_FOUND})
        } | self.routes()
        self._pipeline = Pipeline(self.name, self._routes, self.room, shared)
        self.handle = self._pipeline.handle  # for the Socket.IO server
        rates = {
            str(limit): RateLimit(count=count, seconds=seconds) for limit, (count, seconds) in shared.rates.items()
        }
        self._limits = Limits(rates=rates)

    @staticmethod
    @abstractmethod
    def room(key: str, /) -> Room:
        """Return the room of a stream key."""

    @abstractmethod
    def routes(self) -> dict[str, Route]:
        """Return the events of this namespace, besides those that every namespace has."""

    @abstractmethod
    async def allow(self, principal: Principal, key: str) -> None:
        """Raise GatewayError if somebody may not be in the room of a stream."""

    @staticmethod
    def counts(_room: Room, /) -> bool:
        """Return whether members of a room are counted. All sockets receive and recover its events."""
        return True

    @property
    def table(self) -> Mapping[str, Route]:
        """The table of events, with those that every namespace has."""
        return self._routes

    # --- for the Socket.IO server -------------------------------------------------------------------------------------

    async def authenticate(self, handshake: Handshake, auth: Mapping[str, Any] | None) -> Principal:
        """Return the principal of a CONNECT packet. Raises GatewayError."""
        tokens = extract_tokens(auth, handshake.headers, handshake.cookies)
        with self._pipeline.deadlines:
            return await authenticate_first(self._shared.authenticator, tokens)

    async def opened(self, socket: Socket) -> None:
        """Register and greet a socket that was connected."""
        self._shared.registry.add(socket)
        await self.welcome(socket)

    async def resumed(self, socket: Socket) -> None:
        """Register a recovered socket, and count it again in the rooms that it attends."""
        self._shared.registry.add(socket)
        async with AsyncExitStack() as returns:  # runs all, even if one fails
            for room in socket.attending:
                returns.push_async_callback(self.counted_again, socket, room)

    async def check_return(self, principal: Principal, room: Room) -> None:
        """Raise GatewayError if somebody may no longer be in a room that they joined before a recovery."""
        await self.allow(principal, room.key)

    async def check_renewal(self, socket: Socket, principal: Principal) -> None:
        """Raise GatewayError if another principal may not be in the rooms of a socket."""
        if principal.user_id != socket.principal.user_id:
            for room in list(socket.attending):
                await self.check_return(principal, room)

    async def renew(self, socket: Socket, principal: Principal) -> None:
        """Replace the principal of a socket by one of the same user, or by the account of a guest who logged in."""
        socket.principal = principal
        self._shared.registry.add(socket)
        for room, counted in list(socket.attending.items()):
            if counted.user_id != principal.user_id:
                await self._recount(socket, room)

    async def closed(self, socket: Socket) -> None:
        """Stop counting a socket that has ended. `socket.attending` stays: a recovery reads it from the session."""
        self._shared.registry.remove(socket)
        async with AsyncExitStack() as departures:  # runs all, even if one fails
            for room, who in socket.attending.items():
                if self.counts(room):
                    departures.push_async_callback(self._attendance.leave, room, who.user_id)

    # --- for subclasses -----------------------------------------------------------------------------------------------

    async def welcome(self, socket: Socket) -> None:
        """Greet a socket that was connected."""
        data = self.greeting(socket.principal, ConnectionSuccess)
        socket.send(events.CONNECTION_SUCCESS, Typed(type=events.CONNECTION_SUCCESS, data=data))

    def greeting(self, who: Principal, shape: type[G]) -> G:
        """Return the greeting of a connected socket."""
        return shape(
            user_id=who.user_id,
            role=who.role,
            authenticated=who.authenticated,
            expires_at=who.expires_at,
            limits=self._limits,
        )

    async def counted_again(self, socket: Socket, room: Room) -> Census:
        """Count a recovered socket in a room that it attends; return the census."""
        return await self._count(socket, room)

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
            return await read(await self._count(socket, room))
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

    async def _count(self, socket: Socket, room: Room) -> Census:
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

    async def _recount(self, socket: Socket, room: Room) -> None:
        """Count a socket in a room as its present principal instead of its former one. Never raises."""
        before, after = socket.reattend(room)
        if self.counts(room):
            await self._attendance.move(room, before.user_id, after.user_id)

    # --- events of every namespace ------------------------------------------------------------------------------------

    async def _refresh(self, socket: Socket, request: AuthRefresh) -> AuthRefreshed:
        principal = await self._shared.authenticator.authenticate(request.token)
        before = socket.principal
        # A guest may log in, but not become another guest, which would evade a ban.
        if principal.user_id != before.user_id and (before.authenticated or not principal.authenticated):
            raise Forbidden("The token is of another user")
        await self._shared.registry.renew(socket, principal)
        return AuthRefreshed(user_id=principal.user_id, role=principal.role, expires_at=principal.expires_at)
