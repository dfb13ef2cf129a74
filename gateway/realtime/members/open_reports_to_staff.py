"""Sends the staff of a room the number of reported messages that wait for a review. Run by the composition root."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from gateway.concurrency.periodic import Periodic
from gateway.errors import Unavailable
from gateway.keys import Room, chat_room
from gateway.protocol import events
from gateway.protocol.payloads.reports import HostedReports, OpenReports
from gateway.protocol.wire import Typed
from gateway.realtime.members.staff_sockets import StaffSockets, is_staff

if TYPE_CHECKING:
    from gateway.realtime.socketio.socket import Socket

PAUSE = 2.0  # s between two reads


class OpenReportsToStaff:
    """Sends `chat:reports` to administrators, moderators and the host in the chat rooms of this node.

    The numbers are read at once for all rooms with staff, and sent to the sockets that have received others. So no
    notice can be lost, and a thousand reports in a second are one event. `read` returns the open reports of streams; it
    raises Unavailable.
    """

    def __init__(
        self, staff: StaffSockets, read: Callable[[Sequence[str]], Awaitable[Sequence[HostedReports]]]
    ) -> None:
        self._staff = staff
        self._read = read
        self._sent: dict[tuple[Socket, Room], OpenReports] = {}
        self._rounds = Periodic("open reports", PAUSE, self.deliver, Unavailable)

    def start(self) -> None:
        """Start to deliver."""
        self._rounds.start()

    async def close(self) -> None:
        """Stop."""
        await self._rounds.close()

    async def deliver(self) -> None:
        """Send the numbers once. Raises Unavailable."""
        staff, before = self._staff.by_room(), self._sent
        self._sent = {}  # without sockets that have left
        if not staff:
            return
        try:
            found = await self._read([room.key for room in staff])
        except Unavailable:
            self._sent = before
            raise
        for hosted in found:
            room = chat_room(hosted.reports.live_id)
            for socket in staff[room]:
                if is_staff(socket, room, hosted.host_id):
                    self._sent[socket, room] = hosted.reports
                    if before.get((socket, room)) != hosted.reports:
                        socket.send(events.CHAT_REPORTS, Typed(type=events.CHAT_REPORTS, data=hosted.reports))
