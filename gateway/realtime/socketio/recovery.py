"""Connection state recovery, compatible with the official clients. Called by the Socket.IO server and by rooms."""

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, Protocol

import structlog

from gateway.concurrency.tasks import cancel
from gateway.errors import GatewayError, Unavailable
from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.realtime.logged import Log, Place
from gateway.realtime.socketio.missed_events import LIMIT, MissedEvent, MissedEvents
from gateway.realtime.socketio.recovery_store import RecoverySession
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal

log = structlog.get_logger()

LIMIT_OF_ALL: Final = 2_000  # events that it may have missed in all of its rooms: about half of MAX_SEND_BUFFER
# s for a recovery; then the client gets a new socket. Each statement and call has a shorter limit, without the queue
# before it: a client that waits is better off than one with a new socket. Less than CONNECT_TIMEOUT.
TIMEOUT: Final = 8.0
REACH: Final = 3.0  # s until this node has delivered what a client got on another node
BATCH: Final = 200  # sockets whose sessions are renewed at once

_PID_BYTES: Final = 18  # 144 bits
_PID = re.compile(r"[A-Za-z0-9_-]{24}")
_OFFSET = re.compile(r"(.{1,128})@([0-9a-f]{8})\.([0-9]{1,18})")


class Store(Protocol):
    """Sessions by their private id."""

    def keep(self, pid: str, session: RecoverySession, seconds: float) -> None: ...
    def drop(self, pid: str, generation: int) -> None: ...
    async def claim(self, pid: str) -> RecoverySession | None: ...


class Endpoint(Protocol):
    """The part of a namespace that recovery uses."""

    async def check_return(self, principal: Principal, room: Room) -> None:
        """Check that a principal may still be in a room. Raises GatewayError if not."""

    async def resumed(self, socket: Socket) -> None:
        """Count a recovered socket in the rooms that it attends."""


class _NotRecovered(Exception):
    """The socket cannot be recovered; the text is the reason, a metric label."""


class Recovery:
    """Stores sockets that attend rooms while they live, and for `window` after their connection was lost.

    A client that reconnects in time gets the same ids and rooms and the events that it missed, on any node, even if its
    node died. If recovery fails for any reason, the client gets a new socket.
    """

    def __init__(self, rooms: Rooms, log: Log, store: Store, window: timedelta, metrics: Metrics) -> None:
        self._rooms = rooms
        self._log = log
        self._store = store
        self._window = window.total_seconds()
        self._metrics = metrics
        self._missed_events = MissedEvents(log)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to renew stored sessions."""
        self._task = asyncio.create_task(self._renew(), name="recovery")

    async def close(self) -> None:
        """Stop; stored sessions stay until they expire."""
        await cancel(self._task)
        await self._missed_events.close()

    # --- storing ------------------------------------------------------------------------------------------------------

    @staticmethod
    def new_pid() -> str:
        """Return a new private id, with which the socket's user can recover the socket."""
        return secrets.token_urlsafe(_PID_BYTES)

    def remember(self, socket: Socket) -> None:
        """Store an open socket after a change of what it attends."""
        if socket.attending:
            # Renewed four times within this time, so that more than the window is left when a node dies.
            self._keep(socket, 2 * self._window)
        elif socket.pid is not None:
            self._store.drop(socket.pid, socket.generation)

    def lost(self, socket: Socket) -> None:
        """Keep a socket whose connection was lost: its client may recover it."""
        if socket.attending:
            self._keep(socket, self._window)

    def forget(self, socket: Socket) -> None:
        """Delete a socket that has left or was disconnected: it must not be recovered."""
        if socket.pid is not None:
            if socket.attending:
                self._store.drop(socket.pid, socket.generation)
            socket.pid = None  # its clean-up must not store it again

    def _keep(self, socket: Socket, seconds: float) -> None:
        if socket.pid is not None:
            rooms = {room: socket.places.get(room) for room in socket.attending}
            session = RecoverySession(socket.sid, socket.namespace, socket.principal.user_id, rooms, socket.generation)
            self._store.keep(socket.pid, session, seconds)

    async def _renew(self) -> None:
        while True:
            sockets = [socket for socket in self._rooms.sockets() if socket.attending]
            pause = self._window / 2 / (len(sockets) // BATCH + 1)
            for first in range(0, len(sockets) + 1, BATCH):
                for socket in sockets[first : first + BATCH]:
                    if socket.live:
                        self.remember(socket)
                await asyncio.sleep(pause)

    # --- recovering ---------------------------------------------------------------------------------------------------

    async def resume(
        self,
        namespace: str,
        auth: Mapping[str, Any] | None,
        principal: Principal,
        endpoint: Endpoint,
        arrive: Callable[[str, str], Socket | None],
    ) -> bool:
        """Recover the socket that a client asks for in `auth` (`{pid, offset}`); return False if it needs a new one.

        `arrive(sid, pid)` adds the socket and answers the client's CONNECT; it returns None if the client has left.
        """
        pid, offset = (auth.get("pid"), auth.get("offset")) if auth else (None, None)
        if not isinstance(pid, str) or not _PID.fullmatch(pid):
            return False
        socket, outcome = None, "recovered"
        try:
            async with asyncio.timeout(TIMEOUT):
                socket = await self._resume(pid, offset, namespace, principal, endpoint, arrive)
        except _NotRecovered as error:
            outcome = str(error)
        except (TimeoutError, Unavailable):
            outcome = "unavailable"
        except GatewayError:
            outcome = "refused"
        except Exception:
            log.exception("recovery failed", namespace=namespace)
            outcome = "failed"
        self._metrics.recoveries.labels(outcome).inc()
        if socket is None:
            return False
        await endpoint.resumed(socket)
        return True

    async def _resume(
        self,
        pid: str,
        offset: object,
        namespace: str,
        principal: Principal,
        endpoint: Endpoint,
        arrive: Callable[[str, str], Socket | None],
    ) -> Socket:
        session = await self._store.claim(pid)
        if session is None or (session.namespace, session.user_id) != (namespace, principal.user_id):
            raise _NotRecovered("expired")
        async with self._rooms.held(session.rooms):
            for room in session.rooms:
                await endpoint.check_return(principal, room)
            places = await self._places(session, offset)
            missed = await self._missed(places)
            # No await from here on: live delivery must continue exactly where the missed events end.
            socket = arrive(session.sid, pid)
            if socket is None:
                self._store.keep(pid, session, self._window)
                raise _NotRecovered("gone")
            socket.generation = session.generation + 1
            for events in missed.values():
                _send(socket, events)
            for room in session.rooms:
                self._rooms.add_member(socket, room)
                socket.attend(room, places.get(room))
            return socket

    async def _places(self, session: RecoverySession, offset: object) -> dict[Room, Place]:
        """Return the place after which the socket may have missed events, for each of its rooms that has a log."""
        known = _OFFSET.fullmatch(offset) if isinstance(offset, str) else None
        places = {}
        for room, place in session.rooms.items():
            here = self._rooms.place(room)
            if place is None and here is None:
                continue  # a room without a log: there is nothing to catch up
            if place is None or here is None or place.epoch != here.epoch:
                raise _NotRecovered("unavailable")
            received = (
                int(known[3]) if known is not None and (known[1], known[2]) == (room.name, place.epoch[:8]) else 0
            )
            places[room] = place._replace(seq=max(place.seq, received))
            await self._reach(room, places[room], here)
        return places

    async def _reach(self, room: Room, place: Place, here: Place) -> None:
        """Wait until this node has delivered what the client got on another node."""
        if place.seq > here.seq:
            head = (await self._log.heads([room])).get(room)
            if head is None or head.place.seq < place.seq or not await self._rooms.reach(room, place.seq, REACH):
                raise _NotRecovered("unavailable")

    async def _missed(self, places: Mapping[Room, Place]) -> dict[Room, list[MissedEvent]]:
        """Return the events after these places, up to what this node has delivered on return."""
        missed: dict[Room, list[MissedEvent]] = {room: [] for room in places}
        read = dict(places)
        while behind := {room: place for room, place in read.items() if place.seq < self._delivered(room, place)}:
            counts = [self._delivered(room, place) - place.seq for room, place in places.items()]
            if max(counts) > LIMIT or sum(counts) > LIMIT_OF_ALL:
                raise _NotRecovered("too much")
            for room, events in (await self._missed_events.after(behind)).items():
                seq = read[room].seq
                if not events or (events[0].seq, events[-1].seq) != (seq + 1, seq + len(events)):
                    raise _NotRecovered("too much")  # the log no longer has all of them
                missed[room] += events
                read[room] = read[room]._replace(seq=seq + len(events))
        return {
            room: [event for event in events if event.seq <= self._delivered(room, places[room])]
            for room, events in missed.items()
        }

    def _delivered(self, room: Room, since: Place) -> int:
        """Return the place in the log of `since` up to which this node has delivered a room's events."""
        place = self._rooms.place(room)
        if place is None or place.epoch != since.epoch:
            raise _NotRecovered("unavailable")
        return place.seq


def _send(socket: Socket, events: list[MissedEvent]) -> None:
    for event in events:
        if event.frame is not None:
            socket.connection.send_frame(event.frame)
