"""Announcements of moderators to a whole room. Called by `/chat`."""

from gateway.keys import chat_room
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.payloads.moderation import Announce, Announced, Announcement
from gateway.protocol.powers import Power
from gateway.protocol.wire import Typed
from gateway.realtime.fanout.fanout import Fanout
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from gateway.services.moderation.permissions import Permissions
from gateway.services.rooms.log import RoomLog
from models.main.moderation import ModerationAction


class Announcements:
    """Stores announcements in the room log only; the history of a join reads them from there."""

    def __init__(
        self, database: Database, log: RoomLog, permissions: Permissions, audit_log: AuditLog, fanout: Fanout
    ) -> None:
        self._database = database
        self._log = log
        self._permissions = permissions
        self._audit_log = audit_log
        self._fanout = fanout

    async def announce(self, principal: Principal, request: Announce) -> Announced:
        """Announce something to a room. Raises Forbidden, BANNED, MUTED, NotFound, Unavailable."""
        room = chat_room(request.live_id)
        async with self._log.local_lock(room):
            async with self._database.guard("chat.announce"), self._database.transaction():
                await self._log.lock(room)  # a mute that has returned must prevent the announcement
                await self._permissions.require(principal, Power.ANNOUNCE, request.live_id)
                seq = await self._log.next(room)
                data = Announcement(
                    seq=seq,
                    live_id=request.live_id,
                    user_id=principal.user_id,
                    username=principal.username,
                    role=principal.role,
                    message=request.message,
                )
                payload = Typed(type=events.CHAT_ANNOUNCEMENT, data=data)
                stamp = await self._log.record(room, seq, events.CHAT_ANNOUNCEMENT, payload)
                await self._audit_log.record(
                    ModerationAction.ANNOUNCE, principal, live_id=request.live_id, details={"seq": seq}
                )
            await self._fanout.publish(room, events.CHAT_ANNOUNCEMENT, payload, stamp)
        return Announced(seq=seq, timestamp=data.timestamp)
