"""How chat rooms are kept civil, and how somebody stands under it. Called by the chat service and `/chat`."""

from typing import Any

from gateway.errors import Code, NotFound
from gateway.keys import chat_room
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.chat import RoomSettings
from gateway.protocol.moderation import AllowGuests, Freeze, SettingsChanged, SlowMode, until
from gateway.protocol.wire import Typed
from gateway.security.principal import Principal, Role
from gateway.services.chat.refusals import refusal
from gateway.services.chat.standing import Standing
from gateway.services.moderation.audit_log import AuditLog
from gateway.services.moderation.permissions import Permissions, Power
from gateway.services.rooms.log import RoomLog, Told
from gateway.services.rooms.outbox import Outbox
from models.moderation import ModerationAction

# What store_messages asks with every message; this answers who joins.
STANDING = """
    SELECT s.host_id::text AS host, c.slow_mode_seconds, c.frozen, c.guests_allowed, x.kind, x.stream_key, x.ends_at
    FROM streams s
    LEFT JOIN chat_settings c ON c.stream_key = s.key
    LEFT JOIN sanctions x ON x.subject_id = $2 AND (x.stream_key = s.key OR x.stream_key IS NULL)
        AND x.lifted_at IS NULL AND (x.ends_at IS NULL OR x.ends_at > clock_timestamp())
    WHERE s.key = $1 ORDER BY x.ends_at  -- of two bans the longer comes last
"""

SETTINGS = "SELECT slow_mode_seconds, frozen, guests_allowed FROM chat_settings WHERE stream_key = $1"

SET = """
    INSERT INTO chat_settings (stream_key, slow_mode_seconds, frozen, guests_allowed) VALUES ($1, $2, $3, $4)
    ON CONFLICT (stream_key) DO UPDATE SET slow_mode_seconds = $2, frozen = $3, guests_allowed = $4
"""

FORGET_TURNS = "DELETE FROM chat_turns WHERE stream_key = $1"


class RoomSettingsService:
    """Raises Forbidden for who may not moderate the room, NotFound, Unavailable. `live_id` is the stream key."""

    def __init__(
        self, database: Database, log: RoomLog, news: Outbox, authority: Permissions, record: AuditLog
    ) -> None:
        self._database = database
        self._log = log
        self._news = news
        self._authority = authority
        self._record = record

    async def standing(self, principal: Principal, live_id: str) -> Standing:
        """How somebody finds a room. Raises BANNED, and NotFound if there is no such room."""
        async with self._database.guard("chat.standing"):
            rows = await self._database.query(STANDING, live_id, principal.user_id)
        if not rows:
            raise NotFound("There is no such stream")
        settings, hosting = _settings(rows[0]), rows[0]["host"] == principal.user_id
        ends = {
            row["kind"]: until(row["ends_at"])
            for row in rows
            if principal.role is not Role.ADMIN and not (hosting and row["stream_key"] is not None)
        }
        if "BAN" in ends:
            raise refusal(Code.BANNED, until=ends["BAN"])
        trusted = hosting or principal.role in (Role.ADMIN, Role.MODERATOR)
        open_to = trusted or (not settings.frozen and (principal.authenticated or settings.guests_allowed))
        return Standing(settings, ends.get("MUTE"), open_to and "MUTE" not in ends)

    async def slow_mode(self, principal: Principal, ask: SlowMode) -> SettingsChanged:
        """Let so much time pass between two messages of one sender."""
        change = {"slow_mode_seconds": ask.seconds}
        return await self._change(principal, ask.live_id, change, ModerationAction.SLOW_MODE)

    async def freeze(self, principal: Principal, ask: Freeze) -> SettingsChanged:
        """Let nobody write but who moderates, or everybody again."""
        action = ModerationAction.FREEZE if ask.frozen else ModerationAction.UNFREEZE
        return await self._change(principal, ask.live_id, {"frozen": ask.frozen}, action)

    async def allow_guests(self, principal: Principal, ask: AllowGuests) -> SettingsChanged:
        """Let guests write, or not."""
        action = ModerationAction.ALLOW_GUESTS if ask.allowed else ModerationAction.REFUSE_GUESTS
        return await self._change(principal, ask.live_id, {"guests_allowed": ask.allowed}, action)

    async def _change(
        self, principal: Principal, live_id: str, change: dict[str, int | bool], action: ModerationAction
    ) -> SettingsChanged:
        """Change one setting and tell the room; what is so already is neither told nor recorded."""
        room = chat_room(live_id)
        async with self._news.change("chat.settings", room) as news:
            await self._log.lock(room)  # before asking who may: they may be muted meanwhile
            await self._authority.require(principal, Power.SETTINGS, live_id)
            before = await self._read(live_id)
            after = before.model_copy(update=change)
            changed = SettingsChanged(live_id=live_id, **after.model_dump(by_alias=False))
            if after == before:
                return changed
            await self._database.query(SET, live_id, after.slow_mode_seconds, after.frozen, after.guests_allowed)
            if after.slow_mode_seconds == 0:
                await self._database.query(FORGET_TURNS, live_id)
            news.append(Told(room, events.CHAT_SETTINGS, Typed(type=events.CHAT_SETTINGS, data=changed)))
            await self._record.record(action, principal, live_id=live_id, details=after.model_dump(include=set(change)))
        return changed

    async def _read(self, live_id: str) -> RoomSettings:
        for row in await self._database.query(SETTINGS, live_id):
            return _settings(row)
        return RoomSettings()


def _settings(row: dict[str, Any]) -> RoomSettings:
    return RoomSettings(
        slow_mode_seconds=row["slow_mode_seconds"] or 0,
        frozen=bool(row["frozen"]),
        guests_allowed=bool(row["guests_allowed"]),
    )
