"""What moderators send on `/chat`: the part of its table that calls the moderation services. Used by chat.py."""

from gateway.protocol import events, moderation
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import ADMINS, MEMBERS
from gateway.services.moderation.announcements import Announcements
from gateway.services.moderation.room_settings import RoomSettingsService
from gateway.services.moderation.sanctions import Sanctions
from namespaces.routes import Route


class ModerationEvents:
    """Muting, banning, settings and announcements. Nobody has to be in the room that they moderate."""

    def __init__(self, sanctions: Sanctions, rules: RoomSettingsService, announcements: Announcements) -> None:
        self._sanctions = sanctions
        self._rules = rules
        self._announcements = announcements

    def routes(self) -> dict[str, Route]:
        """Whether a member may is asked by the services: hosts may in their own rooms."""
        return {
            events.CHAT_MUTE_USER: Route(moderation.MuteUser, self.mute, who=MEMBERS),
            events.CHAT_UNMUTE_USER: Route(moderation.MuteUser, self.unmute, who=MEMBERS),
            events.CHAT_BAN_USER: Route(moderation.BanUser, self.ban, who=ADMINS),
            events.CHAT_UNBAN_USER: Route(moderation.BanUser, self.unban, who=ADMINS),
            events.CHAT_SLOW_MODE: Route(moderation.SlowMode, self.slow_mode, who=MEMBERS),
            events.CHAT_FREEZE: Route(moderation.Freeze, self.freeze, who=MEMBERS),
            events.CHAT_ALLOW_GUESTS: Route(moderation.AllowGuests, self.allow_guests, who=MEMBERS),
            events.CHAT_ANNOUNCE: Route(moderation.Announce, self.announce, who=MEMBERS),
        }

    async def mute(self, socket: Socket, ask: moderation.MuteUser) -> moderation.Sanctioned:
        """`chat:mute-user`."""
        return await self._sanctions.mute(socket.principal, ask)

    async def unmute(self, socket: Socket, ask: moderation.MuteUser) -> moderation.Sanctioned:
        """`chat:unmute-user`."""
        return await self._sanctions.unmute(socket.principal, ask)

    async def ban(self, socket: Socket, ask: moderation.BanUser) -> moderation.BanAck:
        """`chat:ban-user`."""
        return await self._sanctions.ban(socket.principal, ask)

    async def unban(self, socket: Socket, ask: moderation.BanUser) -> moderation.Sanctioned:
        """`chat:unban-user`."""
        return await self._sanctions.unban(socket.principal, ask)

    async def slow_mode(self, socket: Socket, ask: moderation.SlowMode) -> moderation.SettingsChanged:
        """`chat:slow-mode`."""
        return await self._rules.slow_mode(socket.principal, ask)

    async def freeze(self, socket: Socket, ask: moderation.Freeze) -> moderation.SettingsChanged:
        """`chat:freeze`."""
        return await self._rules.freeze(socket.principal, ask)

    async def allow_guests(self, socket: Socket, ask: moderation.AllowGuests) -> moderation.SettingsChanged:
        """`chat:allow-guests`."""
        return await self._rules.allow_guests(socket.principal, ask)

    async def announce(self, socket: Socket, ask: moderation.Announce) -> moderation.Announced:
        """`chat:announce`."""
        return await self._announcements.announce(socket.principal, ask)
