"""Chat: messages and moderation. Built by the composition root."""

from gateway.concurrency.periodic import Periodic
from gateway.errors import Unavailable
from gateway.parts.accounts import AccountsPart
from gateway.parts.realtime import RealtimePart
from gateway.parts.servers import ServersPart
from gateway.realtime.members.rights_to_members import RightsToMembers
from gateway.services.chat.chat import Chat
from gateway.services.chat.messages import Messages
from gateway.services.chat.search import MessageSearch
from gateway.services.chat.snapshot import Snapshots
from gateway.services.chat.standing import Standings
from gateway.services.moderation.announcements import Announcements
from gateway.services.moderation.clears import Clears
from gateway.services.moderation.deletions import Deletions
from gateway.services.moderation.message_reports import MessageReports
from gateway.services.moderation.permissions import Permissions
from gateway.services.moderation.pins import Pins
from gateway.services.moderation.report_reviews import ReportReviews
from gateway.services.moderation.room_settings import RoomSettingsService
from gateway.services.moderation.sanction_list import SanctionList
from gateway.services.moderation.sanctions import Sanctions
from gateway.services.rooms.outbox import Outbox
from namespaces.moderation import Moderation

PIN_ROUND = 1.0  # s between two sweeps for expired pins


class ChatPart:
    """The services of `/chat` and of the HTTP routes of moderation."""

    def __init__(self, servers: ServersPart, realtime: RealtimePart, accounts: AccountsPart) -> None:
        metrics, database, log = servers.metrics, servers.database, servers.log
        fanout = realtime.fanout
        outbox = Outbox(database, log, fanout)
        permissions, audit_log = Permissions(database), servers.audit_log
        room_settings = RoomSettingsService(database, log, outbox, permissions, audit_log, fanout)
        pins = Pins(database, log, outbox, permissions, audit_log)
        self._pin_rounds = Periodic("pins", PIN_ROUND, pins.expire, Unavailable)
        self.words = accounts.words
        messages = Messages(database)
        self.search = MessageSearch(database)
        self._snapshots = Snapshots(database, log, messages, pins, metrics)
        self._standings = Standings(database)
        self.chat = Chat(database, log, messages, self._snapshots, self._standings, self.words, fanout)
        self.rights = RightsToMembers(realtime.rooms, accounts.registry, fanout, self._standings.rights)
        time_limit = servers.settings.handler_timeout / 2
        clears = Clears(database, log, outbox, permissions, audit_log, pins, metrics, time_limit)
        deletions = Deletions(database, log, outbox, permissions, audit_log, pins, metrics)
        hide_at = servers.settings.report_hide_at
        self.reports = MessageReports(database, self._standings, deletions, metrics, hide_at)
        self.report_reviews = ReportReviews(database, log, outbox, permissions, audit_log, deletions, metrics)
        self.sanction_list = SanctionList(database)
        self.moderation = Moderation(
            sanctions=Sanctions(
                database,
                log,
                permissions,
                audit_log,
                accounts.devices,
                clears,
                self.sanction_list,
                fanout,
                metrics,
            ),
            settings=room_settings,
            announcements=Announcements(database, log, permissions, audit_log, fanout),
            deletions=deletions,
            clears=clears,
            pins=pins,
        )

    async def start(self) -> None:
        """Load the listed words, and start the sweep for expired pins."""
        await self.words.start()
        self._pin_rounds.start()

    async def close(self) -> None:
        """Store the accepted messages, and refuse further ones."""
        await self.chat.close()
        await self.reports.close()
        await self._snapshots.close()
        await self._standings.close()
        await self._pin_rounds.close()
        await self.words.close()
