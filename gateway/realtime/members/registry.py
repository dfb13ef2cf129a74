"""The sockets of this node by user; ends those that may not stay. Called by the namespaces and by notices."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

import structlog

from gateway.clocks import redis_clock
from gateway.concurrency.tasks import cancel
from gateway.errors import Unavailable
from gateway.protocol import events
from gateway.protocol.answers import Farewell
from gateway.realtime.members.lifetimes import Lifetimes
from gateway.realtime.notices import Revoked
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal

log = structlog.get_logger()

SWEEP = 0.5  # s between two checks of lifetimes and of whether notices may have been missed
RECHECK = 30.0  # s between two checks of all sockets for revocations whose notice was lost
BATCH = 500  # sockets in one round trip
RECENT = 15.0  # s for which a notice is kept: longer than a connect takes from authentication to the registration


class Server(Protocol):
    """Ends and changes sockets."""

    def kick(self, socket: Socket, event: str, farewell: Farewell) -> None: ...
    async def renew_connection(self, socket: Socket, principal: Principal) -> None: ...


class SocketRegistry:
    """The sockets of this node by user, with one task for all of them.

    Revocations arrive as notices. Lost ones are found by checking all sockets: periodically, and as soon as the node
    receives notices again.

    Args:
        server: The Socket.IO server.
        lifetimes: Limits how long each socket may stay.
        revoked: Returns for many principals whether each is revoked, in one round trip. Raises Unavailable.
        losses: Returns how often notices may have been missed; None while this node does not receive them.
    """

    def __init__(
        self,
        server: Server,
        lifetimes: Lifetimes,
        revoked: Callable[[Sequence[Principal]], Awaitable[list[bool]]],
        losses: Callable[[], int | None],
    ) -> None:
        self._server = server
        self._lifetimes = lifetimes
        self._revoked = revoked
        self._losses = losses
        self._recent: list[tuple[float, Revoked]] = []
        self._users: dict[str, set[Socket]] = {}
        self._sockets: dict[Socket, str] = {}  # with the id of their user
        self._sweeper: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[Socket], None]] = []
        self._departures: list[Callable[[Socket], None]] = []
        self._sweeps: list[Callable[[], Awaitable[None]]] = [self._check_lifetimes]
        self._rechecks: list[Callable[[], Awaitable[None]]] = [self._recheck_revoked]

    def on_arrival(self, listener: Callable[[Socket], None]) -> None:
        """Call `listener` with every socket that is added, also after its principal has changed."""
        self._listeners.append(listener)

    def on_departure(self, listener: Callable[[Socket], None]) -> None:
        """Call `listener` with every socket that is removed."""
        self._departures.append(listener)

    def on_recheck(self, listener: Callable[[], Awaitable[None]]) -> None:
        """Call `listener` whenever notices may have been missed; it is called again soon if it raises Unavailable."""
        self._rechecks.append(listener)

    def on_sweep(self, listener: Callable[[], Awaitable[None]]) -> None:
        """Call `listener` every SWEEP s, to retry what has failed; it may raise Unavailable."""
        self._sweeps.append(listener)

    def users(self) -> list[str]:
        """Return the ids of all users with a socket here."""
        return list(self._users)

    def of_user(self, user_id: str) -> Collection[Socket]:
        """Return the sockets of one user, in all namespaces."""
        return self._users.get(user_id, ())

    def start(self) -> None:
        """Start the periodic checks."""
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="socket registry")

    async def close(self) -> None:
        """Stop the periodic checks."""
        await cancel(self._sweeper)

    # --- sockets ------------------------------------------------------------------------------------------------------

    def add(self, socket: Socket) -> None:
        """Register a socket, or register it again after its principal has changed."""
        self._drop(socket)
        user = self._sockets[socket] = socket.principal.user_id
        self._users.setdefault(user, set()).add(socket)
        self._lifetimes.watch(socket)
        # It may have been authenticated before a revocation and arrive after its notice.
        for _, notice in self._recent:
            if _concerns(notice, socket):
                self._revoke(socket, notice)
                return
        for listener in self._listeners:
            listener(socket)

    def remove(self, socket: Socket) -> None:
        """Remove a socket that has ended."""
        if self._drop(socket):
            for listener in self._departures:
                listener(socket)

    async def renew(self, socket: Socket, principal: Principal) -> None:
        """Change the principal of all sockets that the user has on the socket's connection, or of none.

        The principal is of the same user, or of the account that a guest has logged in to. Raises GatewayError if it
        may not be in one of the rooms.
        """
        await self._server.renew_connection(socket, principal)

    def _drop(self, socket: Socket) -> bool:
        user = self._sockets.pop(socket, None)
        if user is None:
            return False
        self._users[user].discard(socket)
        if not self._users[user]:
            del self._users[user]
        self._lifetimes.forget(socket)
        return True

    # --- revocations --------------------------------------------------------------------------------------------------

    async def revoked(self, notice: Revoked) -> None:
        """Disconnect every socket that a revocation concerns."""
        self._recent.append((asyncio.get_running_loop().time(), notice))
        for socket in [socket for socket in self.of_user(notice.user_id) if _concerns(notice, socket)]:
            self._revoke(socket, notice)

    def _revoke(self, socket: Socket, notice: Revoked) -> None:
        self._server.kick(socket, events.AUTH_REVOKED, Farewell(code=notice.code, reconnect=False))

    async def recheck(self) -> bool:
        """Check all sockets for the changes of lost notices; return False if a check failed."""
        return await _call_all(self._rechecks)

    async def _recheck_revoked(self) -> None:
        sockets = list(self._sockets)
        for first in range(0, len(sockets), BATCH):
            batch = sockets[first : first + BATCH]
            principals = [socket.principal for socket in batch]
            answers = await self._revoked(principals)
            for socket, principal, revoked in zip(batch, principals, answers, strict=True):
                if revoked and socket.principal is principal:  # its client may have sent a new token in between
                    self._revoke(socket, Revoked(principal.user_id))

    async def _check_lifetimes(self) -> None:
        await self._lifetimes.check(int(redis_clock.time()))

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        checked, known = loop.time(), self._losses()
        while True:
            await asyncio.sleep(SWEEP)
            await _call_all(self._sweeps)
            moment, losses = loop.time(), self._losses()
            self._recent = [(received, notice) for received, notice in self._recent if received > moment - RECENT]
            if moment >= checked + RECHECK or losses not in (None, known):
                checked = moment
                if await self.recheck():
                    known = losses


async def _call_all(listeners: Sequence[Callable[[], Awaitable[None]]]) -> bool:
    """Call every listener, even if others fail; return False if one raised."""
    complete = True
    for listener in listeners:
        try:
            await listener()
        except Unavailable:
            complete = False
        except Exception:
            log.exception("socket check failed")
            complete = False
    return complete


def _concerns(notice: Revoked, socket: Socket) -> bool:
    who = socket.principal
    if who.user_id != notice.user_id:
        return False
    if notice.session_id is not None:
        return who.session_id == notice.session_id
    return who.session_id != notice.keep_session_id and (
        notice.before is None or who.issued_at.timestamp() <= notice.before
    )
