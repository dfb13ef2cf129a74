"""The pipe between two processes: messages with file descriptors over a Unix socket. Used by master and workers."""

import array
import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

CHUNK: Final = 60_000  # bytes of a message in one packet: well below the size of a socket's buffer
PACKETS: Final = 64  # read in one callback of the event loop
MORE: Final = b"+"  # first byte of a packet: the message continues in the next one
LAST: Final = b"."


class Pipe:
    """One end of a SOCK_SEQPACKET socket: messages arrive whole, once, in order, or the pipe is closed.

    Args:
        end: The socket. It belongs to the pipe from now on.
        on_message: Called with each message and its descriptors, which belong to the callee.
        on_close: Called once, when the other process has closed its end or has died. Not called by `close`.
    """

    def __init__(
        self,
        end: socket.socket,
        on_message: Callable[[bytes, list[int]], None],
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        end.setblocking(False)
        self._socket: socket.socket | None = end
        self._on_message = on_message
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._received: list[bytes] = []  # packets of an incomplete message
        self._descriptors: list[int] = []
        self._loop.add_reader(end.fileno(), self._readable)

    @property
    def closed(self) -> bool:
        """Whether the pipe is closed for sending."""
        return self._socket is None

    def send(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send a message now, or as soon as the other process takes it.

        The descriptors stay the caller's, who may close them at once. Raises ConnectionError if the pipe is closed.
        """
        for start in range(0, max(1, len(message)), CHUNK):
            last = start + CHUNK >= len(message)
            packet = (LAST if last else MORE) + message[start : start + CHUNK]
            if self._unsent or not self._sent(packet, descriptors):
                if not self._unsent and self._socket is not None:
                    self._loop.add_writer(self._socket.fileno(), self._writable)
                self._unsent.append((packet, [os.dup(number) for number in descriptors]))
            descriptors = ()

    def drain(self) -> None:
        """Read what the other process has sent before its end, then close this end."""
        while not self.closed:
            self._readable()

    def close(self) -> None:
        """Close this end; messages that were not sent yet are lost."""
        if self._socket is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self._socket = None
        for _, descriptors in self._unsent:
            close_all(descriptors)
        self._unsent.clear()
        close_all(self._descriptors)
        self._descriptors = []

    def _sent(self, packet: bytes, descriptors: Sequence[int]) -> bool:
        """Send a packet; return False if the kernel's buffer is full. Raises ConnectionError."""
        if self._socket is None:
            raise ConnectionResetError("the pipe is closed")
        try:
            socket.send_fds(self._socket, [packet], descriptors)
        except BlockingIOError:
            return False
        except OSError as error:
            self._lost()
            raise ConnectionResetError("the pipe is closed") from error
        return True

    def _writable(self) -> None:
        with suppress(ConnectionError):
            while self._unsent:
                packet, descriptors = self._unsent[0]
                if not self._sent(packet, descriptors):
                    return
                self._unsent.popleft()
                close_all(descriptors)
            if self._socket is not None:
                self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        for _ in range(PACKETS):
            if self._socket is None:
                return
            try:
                packet, descriptors = _receive(self._socket)
            except BlockingIOError:
                return
            except OSError:
                packet, descriptors = b"", []
            if not packet:
                self._lost()
                return
            self._received.append(packet[1:])
            self._descriptors += descriptors
            if packet[:1] == LAST:
                message, self._received = b"".join(self._received), []
                descriptors, self._descriptors = self._descriptors, []
                self._on_message(message, descriptors)

    def _lost(self) -> None:
        if self._socket is not None:
            self.close()
            self._loop.call_soon(self._on_close)


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a new pipe."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _receive(end: socket.socket) -> tuple[bytes, list[int]]:
    """Do the same as `socket.recv_fds`, with descriptors that child processes do not inherit."""
    numbers = array.array("i")
    room = socket.CMSG_SPACE(8 * numbers.itemsize)
    packet, ancillary, _, _ = end.recvmsg(CHUNK + 1, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return packet, list(numbers)


def close_all(descriptors: Iterable[int]) -> None:
    """Close received descriptors that are not used."""
    for number in descriptors:
        with suppress(OSError):
            os.close(number)
