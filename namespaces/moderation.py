"""The events of moderators, a part of the table of `/chat`. Used by chat.py."""

from typing import NamedTuple

from gateway.protocol import chat, curation, events, moderation
from gateway.security.principal import ADMINS, MEMBERS
from gateway.services.moderation.announcements import Announcements
from gateway.services.moderation.clears import Clears
from gateway.services.moderation.deletions import Deletions
from gateway.services.moderation.pins import Pins
from gateway.services.moderation.room_settings import RoomSettingsService
from gateway.services.moderation.sanctions import Sanctions
from namespaces.routes import Route


class Moderation(NamedTuple):
    """The services that moderators call. They need not have joined the room that they moderate."""

    sanctions: Sanctions
    settings: RoomSettingsService
    announcements: Announcements
    deletions: Deletions
    clears: Clears
    pins: Pins

    def routes(self) -> dict[str, Route]:
        """Return the events of moderators. `who` are the roles that may; services check the host of a stream."""
        return {
            events.CHAT_MUTE_USER: Route(moderation.MuteUser, service=self.sanctions.mute, who=MEMBERS),
            events.CHAT_UNMUTE_USER: Route(moderation.MuteUser, service=self.sanctions.unmute, who=MEMBERS),
            events.CHAT_BAN_USER: Route(moderation.BanUser, service=self.sanctions.ban, who=ADMINS),
            events.CHAT_UNBAN_USER: Route(moderation.BanUser, service=self.sanctions.unban, who=ADMINS),
            events.CHAT_SLOW_MODE: Route(moderation.SlowMode, service=self.settings.slow_mode, who=MEMBERS),
            events.CHAT_FREEZE: Route(moderation.Freeze, service=self.settings.freeze, who=MEMBERS),
            events.CHAT_ALLOW_GUESTS: Route(moderation.AllowGuests, service=self.settings.allow_guests, who=MEMBERS),
            events.CHAT_ANNOUNCE: Route(moderation.Announce, service=self.announcements.announce, who=MEMBERS),
            events.CHAT_DELETE_MESSAGE: Route(chat.DeleteMessage, service=self.deletions.delete, who=ADMINS),
            events.CHAT_CLEAR: Route(curation.Clear, service=self.clears.clear, who=ADMINS),
            events.CHAT_UNDO_CLEAR: Route(curation.UndoClear, service=self.clears.undo, who=ADMINS),
            events.CHAT_PIN_MESSAGE: Route(curation.PinMessage, service=self.pins.pin, who=MEMBERS),
            events.CHAT_UNPIN_MESSAGE: Route(curation.UnpinMessage, service=self.pins.unpin, who=MEMBERS),
        }
