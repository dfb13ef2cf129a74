"""Shares the event loop among connections that send a lot. Used by connections; created by the engine."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger()

TURN: Final = 0.003  # s for which one connection may keep the event loop
MOST: Final = 64  # connections that may continue in one tick


class Turns:
    """A queue of connections that have used up their turn. Each tick lets some of them continue, in order.

    One connection per tick continues while turns are long, more while turns are short. So ticks stay near TURN, however
    many connections wait, and the messages of all other connections are handled in between. While none waits, fast
    senders share the first TURN of each tick without waiting.
    """

    def __init__(self) -> None:
        self._until: float | None = None  # when fast senders have used up this tick; None before the first of them
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._share = 1  # connections that may continue in the next tick
        self._last = 0.0  # the time of the previous tick

    def free(self, now: float) -> bool:
        """Return whether a connection that sends fast may begin without waiting, at this time of the event loop."""
        if self._waiting:
            return False
        if self._until is None:
            self._until = now + TURN
            asyncio.get_running_loop().call_soon(self._end_tick)
        return now < self._until

    def _end_tick(self) -> None:
        self._until = None

    async def next(self) -> None:
        """Wait for another turn, at least one tick."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            self._last = loop.time()
            loop.call_soon(self._release, loop)
        await turn

    def _release(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._share = max(1, self._share // 2) if now - self._last > TURN else min(self._share * 2, MOST)
        self._last = now
        for _ in range(min(self._share, len(self._waiting))):
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
        if self._waiting:
            loop.call_soon(self._release, loop)


class SpreadCalls:
    """Calls functions in order, for TURN in each tick: thousands at once do not keep other connections waiting.

    While there are few, each is called at once.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._until: float | None = None  # when the turn of this tick ends; None before its first call

    def call(self, function: Callable[[], None]) -> bool:
        """Call a function, or queue it if others wait or the turn of this tick is over; return whether it was called.

        Errors of a queued function are logged.
        """
        loop = asyncio.get_running_loop()
        if self._until is None:
            self._until = loop.time() + TURN
            loop.call_soon(self._next_tick, loop)
        elif self._waiting or loop.time() >= self._until:
            self._waiting.append(function)
            return False
        function()
        return True

    def _next_tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._waiting:
            self._until = None
            return
        self._until = until = loop.time() + TURN
        loop.call_soon(self._next_tick, loop)
        while self._waiting:
            try:
                self._waiting.popleft()()
            except Exception:
                log.exception("a queued call failed")
            if loop.time() >= until:
                return
