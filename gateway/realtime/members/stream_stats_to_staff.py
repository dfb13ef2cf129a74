"""Sends the numbers of streams to their staff on this node, every few seconds. Run by the composition root."""

from collections.abc import Awaitable, Callable

import structlog

from gateway.concurrency.periodic import Periodic
from gateway.errors import NotFound, Unavailable
from gateway.protocol import events
from gateway.protocol.payloads.streaming import HostedStats
from gateway.protocol.wire import Typed
from gateway.realtime.members.staff_sockets import StaffSockets, is_staff

log = structlog.get_logger()

PAUSE = 5.0  # s between two deliveries


class StreamStatsToStaff:
    """Sends `stream:stats` to administrators, moderators and the host in the chat rooms of streams on this node.

    Nothing is read for a stream without staff here. `read` returns the numbers of a stream; raises NotFound and
    Unavailable.
    """

    def __init__(self, staff: StaffSockets, read: Callable[[str], Awaitable[HostedStats]]) -> None:
        self._staff = staff
        self._read = read
        self._rounds = Periodic("stream stats", PAUSE, self.deliver, Unavailable)

    def start(self) -> None:
        """Start to deliver."""
        self._rounds.start()

    async def close(self) -> None:
        """Stop."""
        await self._rounds.close()

    async def deliver(self) -> None:
        """Send the numbers once. Skip streams whose numbers cannot be read."""
        for room, sockets in self._staff.by_room().items():
            try:
                hosted = await self._read(room.key)
            except (NotFound, Unavailable):  # the other streams are delivered
                log.debug("the numbers of a stream could not be read", stream=room.key)
                continue
            payload = Typed(type=events.STREAM_STATS, data=hosted.stats)
            for socket in sockets:
                if is_staff(socket, room, hosted.host_id):
                    socket.send(events.STREAM_STATS, payload)
