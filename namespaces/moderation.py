"""The events of moderators, a part of the table of `/chat`. Used by chat.py."""

from functools import partial
from typing import NamedTuple

from gateway.errors import Code, codes
from gateway.protocol import events
from gateway.protocol.payloads import chat, curation, moderation
from gateway.security.principal import ADMINS, MEMBERS
from gateway.services.moderation.announcements import Announcements
from gateway.services.moderation.clears import Clears
from gateway.services.moderation.deletions import Deletions
from gateway.services.moderation.pins import Pins
from gateway.services.moderation.room_settings import RoomSettingsService
from gateway.services.moderation.sanctions import Sanctions
from namespaces.routes import TEXT, Route

UNKNOWN = codes(Code.NOT_FOUND)
HERE = UNKNOWN | {Code.BANNED, Code.MUTED}  # for moderators, who may be banned or muted in the room


class Moderation(NamedTuple):
    """The services that moderators call. They need not have joined the room that they moderate."""

    sanctions: Sanctions
    settings: RoomSettingsService
    announcements: Announcements
    deletions: Deletions
    clears: Clears
    pins: Pins

    def routes(self) -> dict[str, Route]:
        """Return the events of moderators. `who` are the roles; services check the host of a stream."""
        moderators = partial(Route, who=MEMBERS, raises=HERE)
        admins = partial(Route, who=ADMINS, raises=UNKNOWN)
        return {
            events.CHAT_MUTE_USER: moderators(moderation.MuteUser, service=self.sanctions.mute),
            events.CHAT_UNMUTE_USER: moderators(moderation.MuteUser, service=self.sanctions.unmute),
            events.CHAT_BAN_USER: admins(moderation.BanUser, service=self.sanctions.ban),
            events.CHAT_UNBAN_USER: admins(moderation.BanUser, service=self.sanctions.unban),
            events.CHAT_SLOW_MODE: moderators(moderation.SlowMode, service=self.settings.slow_mode),
            events.CHAT_FREEZE: moderators(moderation.Freeze, service=self.settings.freeze),
            events.CHAT_ALLOW_GUESTS: moderators(moderation.AllowGuests, service=self.settings.allow_guests),
            events.CHAT_ANNOUNCE: moderators(
                moderation.Announce, service=self.announcements.announce, raises=HERE | TEXT
            ),
            events.CHAT_DELETE_MESSAGE: admins(chat.DeleteMessage, service=self.deletions.delete),
            events.CHAT_CLEAR: admins(curation.Clear, service=self.clears.clear),
            events.CHAT_UNDO_CLEAR: admins(curation.UndoClear, service=self.clears.undo),
            events.CHAT_PIN_MESSAGE: moderators(
                curation.PinMessage, service=self.pins.pin, raises=HERE | {Code.CONFLICT}
            ),
            events.CHAT_UNPIN_MESSAGE: moderators(curation.UnpinMessage, service=self.pins.unpin),
        }
