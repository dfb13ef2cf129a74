"""The messages of one connection that wait to be handled. Created by the connection while there are any."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

PAUSE_AT: Final = 64  # waiting messages at which reading from the client pauses
RESUME_AT: Final = 32  # waiting messages at which reading resumes
# The same in bytes of memory, as few messages may be large: compressed, 64 KiB take 90 bytes on the wire.
PAUSE_BYTES: Final = 131_072
RESUME_BYTES: Final = 65_536


class Inbox:
    """A queue of messages. Calls `drained` whenever reading may resume."""

    __slots__ = ("_drained", "_messages", "_waiters", "full", "size")

    def __init__(self, drained: Callable[[], None]) -> None:
        self._drained = drained
        self._messages: deque[str] = deque()
        self._waiters: list[asyncio.Future[None]] = []
        self.size = 0  # bytes of memory that the messages take
        self.full = False  # reading must pause

    def put(self, text: str) -> bool:
        """Add a message, even to a full inbox; return whether reading must pause."""
        self._messages.append(text)
        self.size += text.__sizeof__()
        if len(self._messages) >= PAUSE_AT or self.size >= PAUSE_BYTES:
            self.full = True
        return self.full

    def take(self) -> str | None:
        """Remove and return the next message; None if there is none."""
        messages = self._messages
        if not messages:
            if self._waiters:
                self._wake()
            return None
        text = messages.popleft()
        self.size -= text.__sizeof__()
        if self.full and len(messages) <= RESUME_AT and self.size <= RESUME_BYTES:
            self.full = False
            self._wake()
            self._drained()
        return text

    async def wait_for_space(self) -> None:
        """Wait until the inbox is not full."""
        if self.full:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def clear(self) -> None:
        """Drop all messages, because the connection is closed."""
        self._messages.clear()
        self.size, self.full = 0, False
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
