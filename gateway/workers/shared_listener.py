"""The listener of one of several workers: accepts from the sockets that all workers share. Opened by its node."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.concurrency.periodic import Periodic
from gateway.concurrency.tasks import cancel
from gateway.http.connection import connections
from gateway.metrics import Metrics
from gateway.realtime.engineio.server import EngineServer
from gateway.workers.board import Board, State
from gateway.workers.handover import HandOver
from gateway.workers.seat import Seat
from gateway.workers.shared_connections import SharedFront, SharedHttpConnection

if TYPE_CHECKING:
    from gateway.realtime.engineio.front import Front

ACCEPTS: Final = 16  # connections that are accepted in one tick of the event loop
CROWDED: Final = 1.1  # of the mean of connections; above it this worker accepts none for PAUSE
PAUSE: Final = 0.1  # s without accepting, when crowded or after a failure
BEAT: Final = 1.0  # s
LOOK: Final = 0.05  # s between two checks whether all requests have been answered, when the worker ends
LOOKS: Final = 100


class SharedListener:
    """See Listener. Set `handover`, `count` (returns the number of connections) and `ready` before it is opened.

    `others`: whether the master has ended only this worker.
    """

    handover: HandOver

    def __init__(self, seat: Seat, board: Board, keepalive: float, gather: Callable[[], Awaitable[bytes]]) -> None:
        self.sid_prefix = f"{seat.number}."
        self.url = seat.url
        self.others = False
        self.count: Callable[[], int] = lambda: 0
        self.ready: Callable[[], bool] = lambda: False
        self._seat = seat
        self._board = board
        self._keepalive = keepalive
        self._gather = gather
        self._sockets = [socket.socket(fileno=number) for number in seat.sockets]
        self._metrics_sockets = [socket.socket(fileno=number) for number in seat.metrics_sockets]
        self._factory: Callable[[], Front] | None = None
        self._http: web.Server | None = None
        self._accepting = False
        self._resuming: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._beats = Periodic("beat", BEAT, self._beat, OSError)

    def start(self) -> None:
        """Start to write heartbeats to the board."""
        self._write()
        self._beats.start()

    async def end(self) -> None:
        """Stop the heartbeats, and close the pipes to the other workers."""
        await self._beats.close()
        await cancel(*self._tasks)
        self.handover.close()

    # --- for the node -------------------------------------------------------------------------------------------------

    async def open(self, engine: EngineServer, http: web.Server, metrics: web.AppRunner) -> None:
        """See Listener."""
        kind = partial(SharedHttpConnection, handover=self.handover)
        answering = connections(http, keepalive=self._keepalive, kind=kind)
        self._factory = engine.protocol_factory(answering, partial(SharedFront, handover=self.handover))
        self._http = http
        if self._metrics_sockets:
            await metrics.setup()
            for listening in self._metrics_sockets:
                await web.SockSite(metrics, listening).start()

    async def serve(self) -> None:
        """See Listener. Until then the other workers accept connections, or these wait in the backlog."""
        self._accepting = True
        self._write()
        self._resume()

    async def finish_requests(self) -> None:
        """See Listener."""
        for _ in range(LOOKS):
            if all(connection.idle for connection in self._connections()):
                return
            await asyncio.sleep(LOOK)

    def close(self) -> None:
        """See Listener. Connections that are accepted or handed over later are passed on, or closed."""
        self.retire()
        self._factory = None

    def retire(self) -> None:
        """See Listener. Proxies may be sending on idle connections just now, so these are not closed."""
        if self._accepting:
            self._accepting = False
            self._pause()
            self.handover.retiring = self.others
            self._write()
        if self.others:
            for connection in self._connections():
                connection.pass_on()

    async def scrape(self, metrics: Metrics) -> bytes:  # noqa: ARG002  the master collects them of this worker, too
        """See Listener."""
        return await self._gather()

    def _connections(self) -> list[SharedHttpConnection]:
        every = self._http.connections if self._http is not None else []
        return [connection for connection in every if isinstance(connection, SharedHttpConnection)]

    # --- accepting ----------------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        self._resuming = None
        for listening in self._sockets:
            listening.setblocking(False)
            asyncio.get_running_loop().add_reader(listening.fileno(), self._accept, listening)

    def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        for listening in self._sockets:
            loop.remove_reader(listening.fileno())
        if self._resuming is not None:
            self._resuming.cancel()
        self._resuming = loop.call_later(PAUSE, self._resume) if self._accepting else None

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS):
            if self.crowded():
                self._pause()
                return
            try:
                accepted, _address = listening.accept()
            except BlockingIOError:  # another worker was faster
                return
            except OSError:  # mostly no free descriptor: connections stay in the backlog
                self._pause()
                return
            self.adopt(accepted, None)

    def adopt(self, accepted: socket.socket, head: bytes | None) -> None:
        """Serve a TCP connection: one that was accepted, or one of which another worker has read `head`."""
        task = asyncio.get_running_loop().create_task(self._connect(accepted, head), name="connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, accepted: socket.socket, head: bytes | None) -> None:
        factory = self._factory
        if factory is None:
            self.handover.pass_on(head or b"", accepted.fileno())
            accepted.close()
            return
        accepted.setblocking(False)
        try:
            transport, front = await asyncio.get_running_loop().connect_accepted_socket(factory, accepted)
        except OSError:  # the client has gone
            accepted.close()
            return
        if not isinstance(front, SharedFront) or transport.is_closing():
            return
        if self._factory is None:
            front.refuse(transport, head or b"")
        elif head is not None:
            front.adopted(transport, head)

    def crowded(self) -> bool:
        """Return whether other workers should accept: this one has more connections, or only they are ready."""
        mine = self._write()
        rows = self._board.accepting()
        if not self.ready() and any(row.state is State.READY for row in rows):
            return True
        return mine > CROWDED * sum(row.connections for row in rows) / max(1, len(rows)) + 1

    # --- the board ----------------------------------------------------------------------------------------------------

    def _write(self) -> int:
        connections = self.count() + len(self._tasks)
        if self._accepting:
            state = State.READY if self.ready() else State.DEAF
        else:
            state = State.RETIRING if self.others else State.STARTING
        self._board.beat(self._seat.row, connections, state)
        return connections

    async def _beat(self) -> None:
        self._write()
