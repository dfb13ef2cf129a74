"""Limits how long each socket may stay: as long as its session or its access token. Called by the registry.

With `SOCKET_LIFETIME=session` a socket stays when its access token expires, as long as the token's session is valid and
the account may connect; that is checked again after another lifetime of a token.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog

from gateway.clocks import redis_clock
from gateway.errors import Code, Unavailable
from gateway.protocol import events
from gateway.protocol.answers import Farewell
from gateway.protocol.payloads.accounts import Expiring
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal

log = structlog.get_logger()

WARNING: Final = 60  # s before the end of a socket at which its client is warned, to send a fresh token
BATCH: Final = 500  # sockets in one round trip

# Returns for each principal the current one if its socket may stay after its access token has expired, else None.
Renew = Callable[[Sequence[Principal]], Awaitable[list[Principal | None]]]


class Server(Protocol):
    """Ends and changes sockets."""

    def close_transports(self, sockets: Sequence[Socket], event: str, farewell: Farewell) -> None: ...
    async def renew(self, socket: Socket, principal: Principal) -> None: ...


class Lifetimes:
    """Warns, renews and ends the sockets of this node as their tokens expire.

    Args:
        server: The Socket.IO server.
        renew: See Renew. If it raises Unavailable, sockets stay for one more `lifetime`. None ends every socket with
            its token.
        lifetime: The lifetime of an access token.
    """

    def __init__(self, server: Server, renew: Renew | None, lifetime: timedelta) -> None:
        self._server = server
        self._renew = renew
        self._lifetime = lifetime
        self._warnings = _Schedule()
        self._ends = _Schedule()

    def watch(self, socket: Socket) -> None:
        """Schedule a socket, or reschedule it after its principal has changed."""
        end = int(socket.principal.expires_at.timestamp())
        self._warnings.put(socket, end - WARNING)
        self._ends.put(socket, end)

    def forget(self, socket: Socket) -> None:
        """Remove a socket from the schedules."""
        self._warnings.drop(socket)
        self._ends.drop(socket)

    async def check(self, moment: int) -> None:
        """Warn, renew or end the sockets scheduled up to `moment`, in s since 1970."""
        async for answers in self._ask(self._warnings.take(moment)):
            for socket, renewed in answers:
                if renewed is None:
                    socket.send(events.AUTH_EXPIRING, Expiring(expires_at=socket.principal.expires_at))
        async for answers in self._ask(self._ends.take(moment)):
            if ended := [socket for socket, renewed in answers if renewed is None]:
                farewell = Farewell(code=Code.TOKEN_EXPIRED, reconnect=True)
                self._server.close_transports(ended, events.AUTH_EXPIRED, farewell)
            for socket, renewed in answers:
                if renewed is not None:
                    try:
                        await self._extend(socket, renewed)
                    except Exception:
                        log.exception("socket renewal failed", namespace=socket.namespace)

    async def _ask(self, sockets: list[Socket]) -> AsyncIterator[list[tuple[Socket, Principal | None]]]:
        """Yield batches of (socket, renewed principal or None), without sockets that ended or changed in between."""
        away = False
        for first in range(0, len(sockets), BATCH):
            batch = [(socket, socket.principal) for socket in sockets[first : first + BATCH]]
            principals = [principal for _, principal in batch]
            renewed: Sequence[Principal | None] = principals
            if self._renew is None:
                renewed = [None] * len(batch)
            elif not away:
                try:
                    renewed = await self._renew(principals)
                except Unavailable:
                    away = True
                except Exception:
                    log.exception("session check failed")
                    away = True
            yield [
                (socket, answer)
                for (socket, principal), answer in zip(batch, renewed, strict=True)
                if socket.principal is principal and socket.live
            ]

    async def _extend(self, socket: Socket, renewed: Principal) -> None:
        before = socket.principal
        renewed = replace(renewed, expires_at=datetime.fromtimestamp(redis_clock.time(), UTC) + self._lifetime)
        if (renewed.username, renewed.role) != (before.username, before.role):
            await self._server.renew(socket, renewed)
        else:
            socket.principal = renewed
            self.watch(socket)


class _Schedule:
    """Sockets by the second for which they are scheduled, in s since 1970."""

    def __init__(self) -> None:
        self._due: dict[int, set[Socket]] = {}
        self._seconds: dict[Socket, int] = {}

    def put(self, socket: Socket, second: int) -> None:
        """Schedule a socket, replacing its previous second."""
        self.drop(socket)
        self._due.setdefault(second, set()).add(socket)
        self._seconds[socket] = second

    def drop(self, socket: Socket) -> None:
        """Remove a socket, if it is scheduled."""
        second = self._seconds.pop(socket, None)
        if second is not None:
            self._due[second].discard(socket)
            if not self._due[second]:
                del self._due[second]

    def take(self, moment: int) -> list[Socket]:
        """Remove and return the sockets of all seconds up to `moment`."""
        taken = [socket for second in sorted(self._due) if second <= moment for socket in self._due[second]]
        for socket in taken:
            self.drop(socket)
        return taken
