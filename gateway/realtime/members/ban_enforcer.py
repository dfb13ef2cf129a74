"""Ends the sockets of banned people and informs muted ones. Called by notices; asks again as the registry does."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from gateway.errors import Code
from gateway.keys import CHAT, chat_room
from gateway.protocol import events
from gateway.protocol.answers import Farewell
from gateway.protocol.moderation import Banned, Muted
from gateway.protocol.wire import Payload, now
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.notices import NoticeSource, UserBanned, UserMuted, UserUnbanned
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Role

RECENT = 15.0  # s that a ban is remembered: longer than a connect may take from asking who is banned to being here
BATCH = 500  # people asked about in one statement


class BanEnforcer:
    """Notices may be lost: who is banned is asked again when the node hears the others again, and every so often.

    `bans` answers the bans in force of many people, or raises Unavailable.
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
        self._recent: dict[tuple[str, str | None], tuple[float, Banned]] = {}  # by whom and where; since when
        sockets.on_arrival(self._arrived)
        sockets.on_recheck(self.recheck)
        notices.on_notice(UserBanned, self._banned)
        notices.on_notice(UserUnbanned, self._unbanned)
        notices.on_notice(UserMuted, self._muted)

    async def recheck(self) -> None:
        """Put out everybody here who is banned. Raises Unavailable."""
        users = self._sockets.users()
        for first in range(0, len(users), BATCH):
            for user_id, ban in await self._bans(users[first : first + BATCH]):
                self._put_out(user_id, ban)

    async def _banned(self, notice: UserBanned) -> None:
        ban = Banned(live_id=notice.live_id, until=notice.until, reason=notice.reason)
        moment = asyncio.get_running_loop().time()
        self._recent = {who: entry for who, entry in self._recent.items() if entry[0] > moment - RECENT}
        self._recent[notice.user_id, ban.live_id] = moment, ban
        self._put_out(notice.user_id, ban)

    async def _unbanned(self, notice: UserUnbanned) -> None:
        self._recent.pop((notice.user_id, notice.live_id), None)

    async def _muted(self, notice: UserMuted) -> None:
        muted = Muted(live_id=notice.live_id, until=notice.until)
        for socket in _hearing(self._sockets.of_user(notice.user_id), notice.live_id):
            socket.send(events.CHAT_MUTED, muted)

    def _arrived(self, socket: Socket) -> None:
        """It may have been let in while the notice of its ban was on its way."""
        earliest = asyncio.get_running_loop().time() - RECENT
        for (user_id, _), (moment, ban) in self._recent.items():
            if user_id == socket.principal.user_id and moment > earliest:
                self._end(socket, ban)

    def _put_out(self, user_id: str, ban: Banned) -> None:
        for socket in list(self._sockets.of_user(user_id)):
            self._end(socket, ban)

    def _end(self, socket: Socket, ban: Banned) -> None:
        if ban.until <= now() or socket.principal.role is Role.ADMIN:  # whom nothing holds any more
            return
        if ban.live_id is None:
            socket.send(events.CHAT_BANNED, ban)
            self._kick(socket, events.AUTH_REVOKED, Farewell(code=Code.BANNED, reconnect=False))
        elif _hearing([socket], ban.live_id):
            self._kick(socket, events.CHAT_BANNED, ban)


def _hearing(sockets: Collection[Socket], live_id: str | None) -> list[Socket]:
    here = [socket for socket in sockets if socket.namespace == CHAT]
    return here if live_id is None else [socket for socket in here if chat_room(live_id) in socket.joined]
