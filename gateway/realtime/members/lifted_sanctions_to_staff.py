"""Sends the end of mutes and bans to the staff of a room on this node. Driven by notices."""

from gateway.keys import CHAT, chat_room
from gateway.protocol import events
from gateway.protocol.payloads.moderation import Lifted
from gateway.realtime.notices import NoticeSource, UserMuted, UserUnbanned
from gateway.realtime.socketio.rooms import Rooms
from gateway.security.principal import MODERATORS


class LiftedSanctionsToStaff:
    """Sends `chat:unmuted` and `chat:unbanned` to the administrators, moderators and the host in the room.

    A ban everywhere concerns the staff of every room. The muted person gets `chat:unmuted`, too; a banned one has no
    socket. Each lift reads the sockets of the room: lifts are rare, and roles change while sockets stay.
    """

    def __init__(self, rooms: Rooms, notices: NoticeSource) -> None:
        self._rooms = rooms
        notices.on_notice(UserMuted, self._muted)
        notices.on_notice(UserUnbanned, self._unbanned)

    async def _muted(self, notice: UserMuted) -> None:
        if notice.until is None:
            self._send(events.CHAT_UNMUTED, notice)

    async def _unbanned(self, notice: UserUnbanned) -> None:
        self._send(events.CHAT_UNBANNED, notice)

    def _send(self, event: str, notice: UserMuted | UserUnbanned) -> None:
        if notice.live_id is None:
            sockets = self._rooms.sockets_of(CHAT)
        else:
            sockets = self._rooms.members(chat_room(notice.live_id))
        lifted = Lifted(user_id=notice.user_id, live_id=notice.live_id)
        for socket in list(sockets.values()):
            who = socket.principal
            if who.role in MODERATORS or who.user_id == notice.user_id or who.hosts(notice.host_id):
                socket.send(event, lifted)
