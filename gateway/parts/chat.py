"""Chat: messages, how they are kept civil, and the record of it. Built by the composition root."""

from gateway.concurrency.periodic import Rounds
from gateway.parts.accounts import People
from gateway.parts.realtime import Realtime
from gateway.parts.servers import Servers
from gateway.services.chat.chat import Chat
from gateway.services.chat.messages import Messages
from gateway.services.chat.search import MessageSearch
from gateway.services.chat.snapshot import Newest
from gateway.services.moderation.announcements import Announcements
from gateway.services.moderation.audit_log import ModerationLog
from gateway.services.moderation.clears import Clears
from gateway.services.moderation.deletions import Deletions
from gateway.services.moderation.permissions import Authority
from gateway.services.moderation.pins import Pins
from gateway.services.moderation.retention import Retention
from gateway.services.moderation.room_settings import RoomRules
from gateway.services.moderation.sanctions import Sanctions
from gateway.services.moderation.word_lists import WordLists
from gateway.services.rooms.outbox import News
from namespaces.curation import CurationEvents
from namespaces.moderation import ModerationEvents

PIN_ROUND = 1.0  # s between two looks for pins whose time is up


class Talk:
    """What `/chat` and the moderators' HTTP routes call."""

    def __init__(self, servers: Servers, realtime: Realtime, people: People) -> None:
        metrics, database, log = servers.metrics, servers.database, servers.log
        fanout = realtime.fanout
        news = News(database, log, fanout)
        authority, self.record = Authority(database), ModerationLog(database)
        rules = RoomRules(database, log, news, authority, self.record)
        pins = Pins(database, log, news, authority, self.record)
        self._pin_rounds = Rounds("pins", PIN_ROUND, pins.expire)
        self.words = WordLists(database, self.record, metrics)
        self._retention = Retention(database, servers.settings.deletion_retention, metrics)
        messages = Messages(database)
        self.search = MessageSearch(database)
        self._newest = Newest(database, log, messages, pins, metrics)
        self.chat = Chat(database, log, messages, self._newest, rules, self.words, fanout)
        patience = servers.settings.handler_timeout / 2
        clears = Clears(database, log, news, authority, self.record, pins, metrics, patience)
        self.curation = CurationEvents(
            Deletions(database, log, news, authority, self.record, pins, metrics), clears, pins
        )
        self.moderation = ModerationEvents(
            Sanctions(database, log, authority, self.record, people.devices, clears, fanout, metrics),
            rules,
            Announcements(database, log, authority, self.record, fanout),
        )

    async def start(self) -> None:
        """Know the listed words, and look for what has run out."""
        await self.words.start()
        self._pin_rounds.start()
        self._retention.start()

    async def close(self) -> None:
        """Store what was taken, and take nothing more."""
        await self.chat.close()
        await self._newest.close()
        await self._pin_rounds.close()
        await self._retention.close()
        await self.words.close()
