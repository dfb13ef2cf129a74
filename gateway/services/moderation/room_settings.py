"""Changes the settings of chat rooms: slow mode, freezing, guests. Called by `/chat`."""

from typing import Any

from gateway.keys import chat_room
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.payloads.chat import RoomSettings
from gateway.protocol.payloads.moderation import AllowGuests, Freeze, SettingsChanged, SlowMode
from gateway.protocol.powers import Power
from gateway.protocol.wire import Typed
from gateway.realtime.notices import NoticeSender, RoomSettingsChanged
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from gateway.services.moderation.permissions import Permissions
from gateway.services.rooms.log import NewEvent, RoomLog
from gateway.services.rooms.outbox import Outbox
from models.main.moderation import ModerationAction

SETTINGS = "SELECT slow_mode_seconds, frozen, guests_allowed FROM chat_settings WHERE stream_key = $1"

SET = """
    INSERT INTO chat_settings (stream_key, slow_mode_seconds, frozen, guests_allowed) VALUES ($1, $2, $3, $4)
    ON CONFLICT (stream_key) DO UPDATE SET slow_mode_seconds = $2, frozen = $3, guests_allowed = $4
"""

FORGET_TURNS = "DELETE FROM chat_turns WHERE stream_key = $1"


class RoomSettingsService:
    """Changes settings. Raises Forbidden without the permission, NotFound, Unavailable. `live_id` is the stream key."""

    def __init__(
        self,
        database: Database,
        log: RoomLog,
        outbox: Outbox,
        permissions: Permissions,
        audit_log: AuditLog,
        notices: NoticeSender,
    ) -> None:
        self._database = database
        self._log = log
        self._outbox = outbox
        self._permissions = permissions
        self._audit_log = audit_log
        self._notices = notices

    async def slow_mode(self, principal: Principal, request: SlowMode) -> SettingsChanged:
        """Set the seconds between two messages of one sender; 0 turns slow mode off."""
        change = {"slow_mode_seconds": request.seconds}
        return await self._change(principal, request.live_id, change, ModerationAction.SLOW_MODE)

    async def freeze(self, principal: Principal, request: Freeze) -> SettingsChanged:
        """Freeze a room, so that only moderators may send messages, or unfreeze it."""
        action = ModerationAction.FREEZE if request.frozen else ModerationAction.UNFREEZE
        return await self._change(principal, request.live_id, {"frozen": request.frozen}, action)

    async def allow_guests(self, principal: Principal, request: AllowGuests) -> SettingsChanged:
        """Allow guests to send messages, or forbid it."""
        action = ModerationAction.ALLOW_GUESTS if request.allowed else ModerationAction.REFUSE_GUESTS
        return await self._change(principal, request.live_id, {"guests_allowed": request.allowed}, action)

    async def _change(
        self, principal: Principal, live_id: str, change: dict[str, int | bool], action: ModerationAction
    ) -> SettingsChanged:
        """Change one setting and publish it; without a change nothing is published or logged."""
        room = chat_room(live_id)
        async with self._outbox.change("chat.settings", room) as outgoing:
            await self._log.lock(room)  # before the permission check: the moderator may be muted while waiting
            await self._permissions.require(principal, Power.SETTINGS, live_id)
            before = await self._read(live_id)
            after = before.model_copy(update=change)
            changed = SettingsChanged(live_id=live_id, **after.model_dump(by_alias=False))
            if after == before:
                return changed
            await self._database.query(SET, live_id, after.slow_mode_seconds, after.frozen, after.guests_allowed)
            if after.slow_mode_seconds == 0:
                await self._database.query(FORGET_TURNS, live_id)
            outgoing.append(NewEvent(room, events.CHAT_SETTINGS, Typed(type=events.CHAT_SETTINGS, data=changed)))
            await self._audit_log.record(
                action, principal, live_id=live_id, details=after.model_dump(include=set(change))
            )
        await self._notices.notify(RoomSettingsChanged(live_id))
        return changed

    async def _read(self, live_id: str) -> RoomSettings:
        for row in await self._database.query(SETTINGS, live_id):
            return _settings(row)
        return RoomSettings()


def _settings(row: dict[str, Any]) -> RoomSettings:
    return RoomSettings(
        slow_mode_seconds=row["slow_mode_seconds"], frozen=row["frozen"], guests_allowed=row["guests_allowed"]
    )
