"""The messages of one connection that are not handled yet. Made with the first one, dropped with the last."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

FULL: Final = 64  # messages that wait before reading from the client stops
LOW: Final = 32  # messages that still wait when it goes on


class Inbox:
    """Messages in order. `drained` is called each time that there is room again."""

    __slots__ = ("_drained", "_messages", "_waiters")

    def __init__(self, drained: Callable[[], None]) -> None:
        self._drained = drained
        self._messages: deque[str] = deque()
        self._waiters: list[asyncio.Future[None]] = []

    def put(self, text: str) -> bool:
        """Add a message, however many there are; return whether reading must pause."""
        self._messages.append(text)
        return len(self._messages) >= FULL

    def take(self) -> str | None:
        """Return the next message, None if there is none."""
        messages = self._messages
        if not messages:
            if self._waiters:
                self._wake()
            return None
        text = messages.popleft()
        if len(messages) == LOW:
            self._wake()
            self._drained()
        return text

    @property
    def full(self) -> bool:
        """Whether reading must wait."""
        return len(self._messages) >= FULL

    async def room(self) -> None:
        """Wait until it is not full."""
        if self.full:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def clear(self) -> None:
        """Drop what was not handled: the connection is closed."""
        self._messages.clear()
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
