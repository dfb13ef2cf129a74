"""Disconnects banned users and informs muted ones. Driven by notices and by the rechecks of the registry."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from gateway.clocks import now
from gateway.errors import Code
from gateway.keys import CHAT, chat_room
from gateway.protocol import events
from gateway.protocol.answers import Farewell
from gateway.protocol.payloads.moderation import Banned, Muted
from gateway.protocol.wire import Payload
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.notices import NoticeSource, UserBanned, UserMuted, UserUnbanned
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Role

RECENT = 15.0  # s for which a ban is kept: longer than a connect takes from the check of bans to the registration
BATCH = 500  # users in one statement


class BanEnforcer:
    """Ends the sockets of banned users.

    Notices may be lost, so the bans of all users here are read again after a loss and periodically. `bans` returns the
    bans in force of many users, or raises Unavailable.
    """

    def __init__(
        self,
        sockets: SocketRegistry,
        notices: NoticeSource,
        kick: Callable[[Socket, str, Payload], None],
        bans: Callable[[Sequence[str]], Awaitable[list[tuple[str, Banned]]]],
    ) -> None:
        self._sockets = sockets
        self._kick = kick
        self._bans = bans
        self._recent: dict[tuple[str, str | None], tuple[float, Banned]] = {}  # by user and room; with the time
        sockets.on_arrival(self._arrived)
        sockets.on_recheck(self.recheck)
        notices.on_notice(UserBanned, self._banned)
        notices.on_notice(UserUnbanned, self._unbanned)
        notices.on_notice(UserMuted, self._muted)

    async def recheck(self) -> None:
        """Disconnect all users here who are banned. Raises Unavailable."""
        users = self._sockets.users()
        for first in range(0, len(users), BATCH):
            for user_id, ban in await self._bans(users[first : first + BATCH]):
                self._disconnect(user_id, ban)

    async def _banned(self, notice: UserBanned) -> None:
        ban = Banned(live_id=notice.live_id, until=notice.until, reason=notice.reason)
        moment = asyncio.get_running_loop().time()
        self._recent = {who: entry for who, entry in self._recent.items() if entry[0] > moment - RECENT}
        self._recent[notice.user_id, ban.live_id] = moment, ban
        self._disconnect(notice.user_id, ban)

    async def _unbanned(self, notice: UserUnbanned) -> None:
        self._recent.pop((notice.user_id, notice.live_id), None)

    async def _muted(self, notice: UserMuted) -> None:
        muted = Muted(live_id=notice.live_id, until=notice.until)
        for socket in _members(self._sockets.of_user(notice.user_id), notice.live_id):
            socket.send(events.CHAT_MUTED, muted)

    def _arrived(self, socket: Socket) -> None:
        """Apply recent bans to a new socket: it may have been authenticated before its ban was imposed."""
        earliest = asyncio.get_running_loop().time() - RECENT
        for (user_id, _), (moment, ban) in self._recent.items():
            if user_id == socket.principal.user_id and moment > earliest:
                self._end(socket, ban)

    def _disconnect(self, user_id: str, ban: Banned) -> None:
        for socket in list(self._sockets.of_user(user_id)):
            self._end(socket, ban)

    def _end(self, socket: Socket, ban: Banned) -> None:
        if ban.until <= now() or socket.principal.role is Role.ADMIN:  # bans do not apply to admins
            return
        if ban.live_id is None:
            socket.send(events.CHAT_BANNED, ban)
            self._kick(socket, events.AUTH_REVOKED, Farewell(code=Code.BANNED, reconnect=False))
        elif _members([socket], ban.live_id):
            self._kick(socket, events.CHAT_BANNED, ban)


def _members(sockets: Collection[Socket], live_id: str | None) -> list[Socket]:
    here = [socket for socket in sockets if socket.namespace == CHAT]
    return here if live_id is None else [socket for socket in here if chat_room(live_id) in socket.joined]
