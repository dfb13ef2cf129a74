"""Applies changed names and roles to open sockets. Driven by notices and by the rechecks of the registry."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from gateway.errors import Unavailable
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.notices import NoticeSource, ProfileChanged
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal
from gateway.security.tokens.authenticator import Identity

RECENT = 15.0  # s for which a change is kept: longer than a connect takes from authentication to the registration
BATCH = 500  # users in one statement


class ProfileUpdater:
    """Keeps the principals of sockets in line with their accounts.

    Args:
        sockets: The registry.
        notices: The source of ProfileChanged.
        renew: Changes the principal of a socket.
        identify: Reads the accounts of some users, leaving out unknown ones. Raises Unavailable.
    """

    def __init__(
        self,
        sockets: SocketRegistry,
        notices: NoticeSource,
        renew: Callable[[Socket, Principal], Awaitable[None]],
        identify: Callable[[Sequence[str]], Awaitable[Mapping[str, Identity]]],
    ) -> None:
        self._sockets = sockets
        self._renew = renew
        self._identify = identify
        self._recent: dict[str, float] = {}  # users whose account has changed, with the time of the notice
        self._unread: set[str] = set()  # users whose account must be read
        sockets.on_arrival(self._arrived)
        sockets.on_recheck(self.recheck)
        sockets.on_sweep(self.update)
        notices.on_notice(ProfileChanged, self._changed)

    async def recheck(self) -> None:
        """Read the accounts of all users here. Raises Unavailable."""
        self._unread.update(self._sockets.users())
        await self.update()

    async def update(self) -> None:
        """Read the accounts that have changed. Raises Unavailable; the next call reads the rest."""
        users = [user_id for user_id in self._unread if self._sockets.of_user(user_id)]
        self._unread.clear()
        for first in range(0, len(users), BATCH):
            try:
                found = await self._identify(users[first : first + BATCH])
            except Unavailable:
                self._unread.update(users[first:])
                raise
            for user_id, identity in found.items():
                for socket in list(self._sockets.of_user(user_id)):
                    await self._apply(socket, identity)

    async def _apply(self, socket: Socket, identity: Identity) -> None:
        who = socket.principal
        if who.authenticated and (who.username, who.role) != (identity.username, identity.role):
            await self._renew(socket, replace(who, username=identity.username, role=identity.role))

    async def _changed(self, notice: ProfileChanged) -> None:
        moment = asyncio.get_running_loop().time()
        self._recent = {
            user_id: moment_of_notice
            for user_id, moment_of_notice in self._recent.items()
            if moment_of_notice > moment - RECENT
        }
        self._recent[notice.user_id] = moment
        self._unread.add(notice.user_id)
        await self.update()

    def _arrived(self, socket: Socket) -> None:
        """Apply recent changes to a new socket: it may have been authenticated before and arrive after the notice."""
        moment_of_notice = self._recent.get(socket.principal.user_id)
        if moment_of_notice is not None and moment_of_notice > asyncio.get_running_loop().time() - RECENT:
            self._unread.add(socket.principal.user_id)
