"""A time limit for many short pieces of work, with one timer for all of them. Used by the namespaces' pipeline."""

import asyncio
from types import TracebackType

_Piece = tuple[float, int]  # when it is due, and how often its task had been cancelled before


class Deadlines:
    """Cancels work that takes longer than `seconds`. All work has the same limit: the first to begin is the first due.

    `asyncio.timeout` makes and cancels a timer of the event loop for each piece of work, nearly all of which ends
    long before. A task has one such block at a time.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.pending: dict[asyncio.Task[object], _Piece] = {}  # in the order of their beginning
        self._loop: asyncio.AbstractEventLoop | None = (
            None  # to ask for it each time costs a system call on Python 3.11
        )
        self._expired: dict[asyncio.Task[object], _Piece] = {}  # until their tasks have noticed
        self._timer: asyncio.TimerHandle | None = None  # for the first; that one may be over by now

    def __enter__(self) -> None:
        """For a `with` block of the current task, which raises TimeoutError when it takes too long."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task can be given up")
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
        # As asyncio.timeout: a task that was cancelled by somebody else, too, ends as cancelled.
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
