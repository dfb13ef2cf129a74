"""Time-outs for answers of servers that do not count time in which this process was busy. Used with Redis."""

import asyncio
from contextlib import suppress
from types import TracebackType

SLICES = 8


class FairTimeout:
    """`async with FairTimeout(seconds):` raises TimeoutError when the block takes longer, as `asyncio.timeout` does.

    But a thousand clients that come at once keep the loop busy for a second, and an answer that arrived in the first
    millisecond is read after the timer. So the time is waited for in slices, each begun when the one before was noticed
    to be over: whatever the loop is busy with, it looks at its sockets some times before anybody is given up.
    """

    __slots__ = ("_left", "_scope", "_slice", "_timer")

    def __init__(self, seconds: float) -> None:
        self._slice = seconds / SLICES
        self._left = SLICES

    async def __aenter__(self) -> None:
        self._scope = asyncio.timeout(None)
        await self._scope.__aenter__()
        self._timer = asyncio.get_running_loop().call_later(self._slice, self._next)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._scope.__aexit__(kind, error, trace)

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        self._left -= 1
        if self._left:
            self._timer = loop.call_later(self._slice, self._next)
        else:
            self._scope.reschedule(loop.time())


async def wait_until(moment: float, event: asyncio.Event) -> None:
    """Sleep until a moment of the loop's clock, or until `event` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(moment):
            await event.wait()
