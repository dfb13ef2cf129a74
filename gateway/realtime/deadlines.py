"""A time limit for many short pieces of work, with one timer for all of them. Used by the namespaces' pipeline."""

import asyncio
from types import TracebackType


class Deadlines:
    """Ends what takes longer than `seconds`. All have the same time: the first to begin is the first to be due.

    `asyncio.timeout` makes and cancels a timer of the event loop for each piece of work, nearly all of which is over
    long before it rings.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.pending: dict[Deadline, float] = {}  # when each is due, in the order of their beginning
        self._timer: asyncio.TimerHandle | None = None  # for the first; that one may be over by now

    def limit(self) -> "Deadline":
        """For a `with` around what the current task shall do in time. Raises TimeoutError."""
        return Deadline(self)

    def arm(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        """See that the timer rings for the first."""
        if self._timer is None:
            self._timer = loop.call_at(due, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for deadline, due in list(self.pending.items()):
            if due > now:
                self.arm(loop, due)
                return
            deadline.expire()


class Deadline:
    """The limit of one piece of work."""

    __slots__ = ("_cancelling", "_deadlines", "_expired", "_task")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be given up")
        self._task = task
        self._cancelling = task.cancelling()
        loop = task.get_loop()
        due = loop.time() + self._deadlines.seconds
        self._deadlines.pending[self] = due
        self._deadlines.arm(loop, due)

    def expire(self) -> None:
        """The time is over."""
        del self._deadlines.pending[self]
        self._expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if not self._expired:
            del self._deadlines.pending[self]
        # As asyncio.timeout: who was cancelled by somebody else, too, is to end as cancelled.
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
