"""Time limits for answers of servers, and for many short tasks. Used with Redis and by the pipeline."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Final

SLICES: Final = 8

_Piece = tuple[float, int]  # the deadline, and the number of cancellation requests of its task before


class Deadlines:
    """Cancels work that takes longer than `seconds`, the same limit for all: deadlines are in the order of beginning.

    `asyncio.timeout` creates and cancels a timer of the event loop for each piece of work, although nearly all of it
    ends long before. A task has one such block at a time.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.pending: dict[asyncio.Task[object], _Piece] = {}  # in the order of their beginning
        self._loop: asyncio.AbstractEventLoop | None = None  # cached: looking it up is a system call on Python 3.11
        self._expired: dict[asyncio.Task[object], _Piece] = {}  # cancelled, until their blocks end
        self._timer: asyncio.TimerHandle | None = None  # for the first deadline; its block may have ended

    def __enter__(self) -> None:
        """Begin a block of the current task, which raises TimeoutError when it takes too long."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task has deadlines")
        due = loop.time() + self.seconds
        self.pending[task] = due, task.cancelling()
        if self._timer is None:
            self._timer = loop.call_at(due, self._expire, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        task = asyncio.current_task(self._loop)
        if task is None or self.pending.pop(task, None) is not None:
            return
        _, cancelling = self._expired.pop(task)
        # Like asyncio.timeout: a task that other code has cancelled, too, ends as cancelled.
        if task.uncancel() <= cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for task, piece in list(self.pending.items()):
            if piece[0] > now:
                self._timer = loop.call_at(piece[0], self._expire, loop)
                return
            self._expired[task] = self.pending.pop(task)
            task.cancel()


class FairTimeout:
    """`async with FairTimeout(seconds):` raises TimeoutError when the block takes longer, as `asyncio.timeout` does.

    It does not count the time in which this process was busy. A thousand clients that connect together keep the event
    loop busy for a second: an answer that arrived in the first millisecond would be read after the timer has fired. So
    the time is divided into slices, and each starts when the loop has handled the end of the one before: it reads its
    sockets several times before the block is cancelled.
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
    """Sleep until a time of the loop's clock, or until `event` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(moment):
            await event.wait()
