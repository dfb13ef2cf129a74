"""The sockets of this node by user and token, and how long each may stay. Called by the namespaces and by notices."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

import structlog

from gateway.clocks import redis_clock
from gateway.errors import Code, Unavailable
from gateway.protocol import events
from gateway.protocol.answers import Farewell
from gateway.realtime.notices import Revoked
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal

log = structlog.get_logger()

SWEEP = 0.5  # s between two looks at who has run out, and whether a notice may have been missed
RECHECK = 30.0  # s between two looks at who was revoked; finds what a lost notice would have told
BATCH = 500  # sockets asked about in one round trip
RECENT = 15.0  # s that a notice is remembered: longer than a connect may take from asking who it is to being here


class SocketRegistry:
    """The sockets of this node by user and by the second in which their token runs out: one timer for all of them.

    Revocations come as notices. Those that do not come are found by asking again: every so often, and as soon as the
    node hears the others again. `losses` says how often it may have missed what they told, or None while it does not
    hear them. `revoked` tells of many principals in one round trip which are revoked, or raises Unavailable.
    """

    def __init__(
        self,
        kick: Callable[[Socket, str, Farewell], None],
        revoked: Callable[[Sequence[Principal]], Awaitable[list[bool]]],
        losses: Callable[[], int | None],
    ) -> None:
        self._kick = kick
        self._revoked = revoked
        self._losses = losses
        self._recent: list[tuple[float, Revoked]] = []
        self._users: dict[str, set[Socket]] = {}
        self._expiring: dict[int, set[Socket]] = {}
        self._seconds: dict[Socket, tuple[str, int]] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[Socket], None]] = []
        self._departures: list[Callable[[Socket], None]] = []
        self._rechecks: list[Callable[[], Awaitable[None]]] = [self._recheck_revoked]

    def on_arrival(self, listener: Callable[[Socket], None]) -> None:
        """Call `listener` with every socket that is new here, or is of another user or token than before."""
        self._listeners.append(listener)

    def on_departure(self, listener: Callable[[Socket], None]) -> None:
        """Call `listener` with every socket that is gone."""
        self._departures.append(listener)

    def on_recheck(self, listener: Callable[[], Awaitable[None]]) -> None:
        """Call `listener` whenever notices may have been missed; it raises Unavailable to be called again soon."""
        self._rechecks.append(listener)

    def users(self) -> list[str]:
        """The ids of all users with a socket here."""
        return list(self._users)

    def of(self, user_id: str) -> Collection[Socket]:
        """The sockets of one user, in all namespaces."""
        return self._users.get(user_id, ())

    def start(self) -> None:
        """Begin to end sockets whose time is up."""
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="residents")

    async def close(self) -> None:
        """Stop."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper

    def arrived(self, socket: Socket) -> None:
        """Watch a socket, or watch it anew after its principal has changed."""
        self._forget(socket)
        user, second = socket.principal.user_id, int(socket.principal.expires_at.timestamp())
        self._users.setdefault(user, set()).add(socket)
        self._expiring.setdefault(second, set()).add(socket)
        self._seconds[socket] = user, second
        # It may have been let in while a notice that concerns it was on its way.
        for _, notice in self._recent:
            if _concerns(notice, socket):
                self._revoke(socket, notice)
                return
        for listener in self._listeners:
            listener(socket)

    def gone(self, socket: Socket) -> None:
        """Forget a socket."""
        if self._forget(socket):
            for listener in self._departures:
                listener(socket)

    def _forget(self, socket: Socket) -> bool:
        if (noted := self._seconds.pop(socket, None)) is None:
            return False
        user, second = noted
        _discard(self._users, user, socket)
        _discard(self._expiring, second, socket)
        return True

    async def revoked(self, notice: Revoked) -> None:
        """End every socket that a revocation concerns."""
        self._recent.append((asyncio.get_running_loop().time(), notice))
        for socket in [socket for socket in self.of(notice.user_id) if _concerns(notice, socket)]:
            self._revoke(socket, notice)

    def _revoke(self, socket: Socket, notice: Revoked) -> None:
        self._kick(socket, events.AUTH_REVOKED, Farewell(code=notice.code, reconnect=notice.reconnect))

    async def recheck(self) -> bool:
        """Ask about everybody what notices may have told; False if not everybody could be asked about."""
        complete = True
        for check in self._rechecks:
            try:
                await check()
            except Unavailable:
                complete = False
            except Exception:
                log.exception("the sockets here could not be checked")
                complete = False
        return complete

    async def _recheck_revoked(self) -> None:
        sockets = list(self._seconds)
        for first in range(0, len(sockets), BATCH):
            batch = sockets[first : first + BATCH]
            principals = [socket.principal for socket in batch]
            answers = await self._revoked(principals)
            for socket, principal, revoked in zip(batch, principals, answers, strict=True):
                if revoked and socket.principal is principal:  # it may have come back with a fresh token meanwhile
                    self._revoke(socket, Revoked(principal.user_id))

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        checked, known = loop.time(), self._losses()
        while True:
            await asyncio.sleep(SWEEP)
            self.expire(int(redis_clock.time()))
            moment, losses = loop.time(), self._losses()
            self._recent = [(told, notice) for told, notice in self._recent if told > moment - RECENT]
            if moment >= checked + RECHECK or losses not in (None, known):
                checked = moment
                if await self.recheck():
                    known = losses

    def expire(self, moment: int) -> None:
        """End every socket whose token has run out by `moment`, in s since 1970."""
        farewell = Farewell(code=Code.TOKEN_EXPIRED, reconnect=True)
        for second in [second for second in self._expiring if second <= moment]:
            for socket in list(self._expiring.get(second, ())):
                self._kick(socket, events.AUTH_EXPIRED, farewell)


def _discard(table: dict[Any, set[Socket]], key: object, socket: Socket) -> None:
    table[key].discard(socket)
    if not table[key]:
        del table[key]


def _concerns(notice: Revoked, socket: Socket) -> bool:
    who = socket.principal
    if who.user_id != notice.user_id:
        return False
    if notice.session_id is not None:
        return who.session_id == notice.session_id
    return who.session_id != notice.keep_session_id and (
        notice.before is None or who.issued_at.timestamp() <= notice.before
    )
