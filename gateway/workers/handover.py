"""Passes a connection to the worker that has the session of its next request. Used by the listener of a worker.

A session lives in the worker that opened it, and its id begins with that worker's number. Any worker may accept the TCP
connection of a request of that session, or have the connection on which a proxy sends it. It then sends the descriptor
and the bytes that it has read to the owner, and closes its own descriptor: no byte is proxied.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from enum import Enum
from typing import Final

import structlog
from prometheus_client import Counter

from gateway.workers.board import Board
from gateway.workers.pipe import Pipe

log = structlog.get_logger()

MAX_LINE: Final = 8_190  # bytes of a request line; aiohttp refuses longer ones
_METHODS: Final = (b"GET ", b"POST ")


class Verdict(Enum):
    """Which worker answers a request whose first bytes are known."""

    MINE = "this worker"
    UNKNOWN = "the request line is not complete"
    GONE = "another worker, which has the connection now"


class HandOver:
    """The pipes to the other workers of a node; finds the worker that a request is for.

    `retiring`: whether this worker is being replaced; then it answers only requests of its own sessions. `crowded`:
    returns whether new sessions should be opened by another worker.

    Args:
        number: The number of this worker.
        path: The Socket.IO path.
        handed: Counts connections that were handed over.
        adopt: Called with the socket and the first bytes of a connection that another worker has handed over.
    """

    def __init__(
        self, number: int, path: str, board: Board, handed: Counter, adopt: Callable[[socket.socket, bytes], None]
    ) -> None:
        self.retiring = False
        self.crowded: Callable[[], bool] = lambda: False
        self._number = number
        self._board = board
        self._handed = handed
        self._adopt = adopt
        self._peers: dict[int, Pipe] = {}
        starts = self._starts = tuple(method + path.encode() for method in _METHODS)
        self._owner = re.compile(rb"(?:%s)\?(?:[^ \r\n]*&)?sid=(\d{1,9})\." % b"|".join(map(re.escape, starts)))

    def meet(self, number: int, end: socket.socket) -> None:
        """Take the pipe to another worker."""

        def forget() -> None:
            self._peers.pop(number, None)

        self._peers[number] = Pipe(end, self._received, forget)

    def close(self) -> None:
        """Close the pipes."""
        for pipe in self._peers.values():
            pipe.close()
        self._peers.clear()

    def locate(self, head: bytes, transport: asyncio.Transport) -> Verdict:
        """Return who answers the request that begins with `head`, after handing it over if that is another worker.

        For GONE the caller must `release` the transport in the same tick of the event loop. Requests with a session of
        a worker that has ended are answered, with an error, by this worker.
        """
        descriptor = transport.get_extra_info("socket").fileno()
        if any(head.startswith(start[: len(head)]) for start in self._starts):
            if b"\n" not in head and len(head) < MAX_LINE:
                return Verdict.UNKNOWN
            if owner := self._owner.match(head):
                number = int(owner[1])
                return Verdict.GONE if number != self._number and self._send(number, head, descriptor) else Verdict.MINE
            if self.crowded() and self.pass_on(head, descriptor):  # a proxy's connection, which clients share
                return Verdict.GONE
        return Verdict.GONE if self.retiring and self.pass_on(head, descriptor) else Verdict.MINE

    def pass_on(self, head: bytes, descriptor: int) -> bool:
        """Hand a connection without a session to the worker with the fewest connections; return whether one took it.

        The descriptor stays the caller's, who must close it.
        """
        others = [row for row in self._board.accepting() if row.number in self._peers]
        for row in sorted(others, key=lambda row: row.connections):
            if self._send(row.number, head, descriptor):
                self._board.expect(row.position)
                return True
        return False

    def _send(self, number: int, head: bytes, descriptor: int) -> bool:
        peer = self._peers.get(number)
        if peer is None:
            return False
        try:
            peer.send(head, [descriptor])
        except OSError:  # it has just died, or there is no free descriptor for a copy to send later
            return False
        self._handed.inc()
        return True

    def _received(self, head: bytes, descriptors: list[int]) -> None:
        if not descriptors:  # this process has no free descriptor to receive it, and the connection is closed
            log.warning("a connection was lost: there is no free file descriptor")
        for number in descriptors:
            self._adopt(socket.socket(fileno=number), head)


def release(transport: asyncio.Transport) -> None:
    """Close this process's descriptor of a connection that was handed over; nothing is sent to the client."""
    transport.set_protocol(asyncio.Protocol())
    transport.abort()
