"""Nodes, people and connections for staff, and the numbers of streams. Built by the composition root."""

from gateway.parts.accounts import AccountsPart
from gateway.parts.chat import ChatPart
from gateway.parts.commerce import CommercePart
from gateway.parts.realtime import RealtimePart
from gateway.parts.servers import ServersPart
from gateway.realtime.members.connection_finder import ConnectionFinder
from gateway.realtime.members.open_reports_to_staff import OpenReportsToStaff
from gateway.realtime.members.staff_sockets import StaffSockets
from gateway.realtime.members.stream_stats_to_staff import StreamStatsToStaff
from gateway.services.nodes.node_list import Nodes
from gateway.services.nodes.person_connections import PersonConnections
from gateway.services.people.members import Members
from gateway.services.people.people import People


class PeoplePart:
    """The services of the HTTP routes of people and connections, and the events that staff gets regularly."""

    def __init__(
        self,
        servers: ServersPart,
        realtime: RealtimePart,
        accounts: AccountsPart,
        commerce: CommercePart,
        chat: ChatPart,
    ) -> None:
        fanout = realtime.fanout
        ConnectionFinder(
            realtime.node_id, realtime.process_id, realtime.rooms, accounts.registry, fanout, realtime.server.kick
        )
        self.connections = PersonConnections(servers.database, fanout, fanout, servers.audit_log)
        self.nodes = Nodes(servers.database, servers.audit_log)
        self.members = Members(servers.database, realtime.presence)
        self.people = People(servers.database, self.connections, chat.sanction_list)
        staff = StaffSockets(accounts.registry)
        self._stats = StreamStatsToStaff(staff, commerce.stats.read)
        self._reports = OpenReportsToStaff(staff, chat.reports.open_in)

    def start(self) -> None:
        """Start to send the numbers of streams and of reports."""
        self._stats.start()
        self._reports.start()

    async def close(self) -> None:
        """Stop."""
        await self._reports.close()
        await self._stats.close()
