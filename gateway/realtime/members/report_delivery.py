"""Tells the staff of a room how many reported messages wait for a review. Run by the composition root."""

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

PAUSE = 2.0  # s between two looks


class ReportDelivery:
    """Sends `chat:reports` to administrators, moderators and the host in the chat rooms of this node.

    The numbers are read once for all rooms, where staff is, and sent to those who were told other ones: no notice of a
    report can be lost, and a thousand reports in a second are one event. `read` returns the open reports of streams;
    it raises Unavailable.
    """

    def __init__(
        self, staff: StaffSockets, read: Callable[[Sequence[str]], Awaitable[Sequence[HostedReports]]]
    ) -> None:
        self._staff = staff
        self._read = read
        self._told: dict[tuple[Socket, Room], OpenReports] = {}
        self._rounds = Periodic("open reports", PAUSE, self.deliver, Unavailable)

    def start(self) -> None:
        """Start to deliver."""
        self._rounds.start()

    async def close(self) -> None:
        """Stop."""
        await self._rounds.close()

    async def deliver(self) -> None:
        """Send the numbers once. Raises Unavailable."""
        there, before = self._staff.by_room(), self._told
        self._told = {}  # without those who have left
        if not there:
            return
        try:
            found = await self._read([room.key for room in there])
        except Unavailable:
            self._told = before
            raise
        for hosted in found:
            room = chat_room(hosted.reports.live_id)
            for socket in there[room]:
                if is_staff(socket, room, hosted.host_id):
                    self._told[socket, room] = hosted.reports
                    if before.get((socket, room)) != hosted.reports:
                        socket.send(events.CHAT_REPORTS, Typed(type=events.CHAT_REPORTS, data=hosted.reports))
