"""Sends the staff of streams their numbers while they are in the chat. Run by the composition root."""

from collections.abc import Awaitable, Callable

import structlog

from gateway.concurrency.periodic import Periodic
from gateway.errors import NotFound, Unavailable
from gateway.keys import CHAT, Room
from gateway.protocol import events
from gateway.protocol.payloads.streaming import HostedStats
from gateway.protocol.wire import Typed
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import MODERATORS, STAFF

log = structlog.get_logger()

PAUSE = 5.0  # s between two deliveries


class StatsDelivery:
    """Sends `stream:stats` to administrators, moderators and the host in the chat rooms of streams on this node.

    Nothing is read for a stream without staff here. `read` returns the numbers of a stream; raises NotFound and
    Unavailable.
    """

    def __init__(self, sockets: SocketRegistry, read: Callable[[str], Awaitable[HostedStats]]) -> None:
        self._read = read
        self._staff: dict[Socket, None] = {}  # sockets on `/chat` of people who may be staff of a room
        self._rounds = Periodic("stream stats", PAUSE, self.deliver, Unavailable)
        sockets.on_arrival(self._arrived)
        sockets.on_departure(self._departed)

    def start(self) -> None:
        """Start to deliver."""
        self._rounds.start()

    async def close(self) -> None:
        """Stop."""
        await self._rounds.close()

    async def deliver(self) -> None:
        """Send the numbers once, of the streams whose numbers can be read."""
        there: dict[Room, list[Socket]] = {}
        for socket in self._staff:
            for room in socket.attending:
                there.setdefault(room, []).append(socket)
        for room, sockets in there.items():
            try:
                hosted = await self._read(room.key)
            except (NotFound, Unavailable):  # one stream whose numbers take too long must not cost the others theirs
                log.debug("a stream without numbers", stream=room.key)
                continue
            payload = Typed(type=events.STREAM_STATS, data=hosted.stats)
            for socket in sockets:
                who = socket.principal
                if room in socket.attending and (who.role in MODERATORS or who.user_id == hosted.host_id):
                    socket.send(events.STREAM_STATS, payload)

    def _arrived(self, socket: Socket) -> None:
        """Note a socket of staff; also called when a role has changed."""
        self._staff.pop(socket, None)
        if socket.namespace == CHAT and socket.principal.role in STAFF:
            self._staff[socket] = None

    def _departed(self, socket: Socket) -> None:
        self._staff.pop(socket, None)
