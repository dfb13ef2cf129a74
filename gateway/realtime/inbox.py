"""The messages of one connection that wait. Made by the connection with the first one, gone with the last."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

FULL: Final = 64  # messages that wait before reading from the client stops
LOW: Final = 32  # messages that still wait when it goes on


class Inbox:
    """Hands on one message after the other, the next when the one before was handled."""

    __slots__ = ("_drained", "_handle", "_messages", "_waiters")

    def __init__(self, handle: Callable[[str], Awaitable[None]], drained: Callable[[], None]) -> None:
        self._handle = handle
        self._drained = drained
        self._messages: deque[str] = deque()
        self._waiters: list[asyncio.Future[None]] = []

    def put(self, text: str) -> None:
        """Take in a message; takes any number, the transport asks `full` and stops reading."""
        self._messages.append(text)

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
        """Forget what was not handled: the connection is closed."""
        self._messages.clear()
        self._wake()

    async def run(self) -> None:
        """Handle everything, in order; `drained` is called each time there is room again."""
        while self._messages:
            text = self._messages.popleft()
            if len(self._messages) == LOW:
                self._wake()
                self._drained()
            await self._handle(text)
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
