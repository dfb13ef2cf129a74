"""Rate limits: the interface, and an implementation in the memory of one process. Used by both edges."""

import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from math import ceil
from typing import NamedTuple, Protocol

from gateway.errors import RateLimited


class Allowance(NamedTuple):
    """What is left after a charge; `reset_ms` is when the oldest charge leaves the window, so that one more fits."""

    limit: int
    remaining: int
    reset_ms: int


class Limiter(Protocol):
    """A sliding window: never more than `limit` charges within any `seconds`, half-open at the end."""

    async def charge(self, scope: str, subject: str, limit: int, seconds: float) -> Allowance:
        """Charge one request of `subject` to `scope`; a scope always has the same `seconds`.

        Raises RateLimited, with `limit` and `retry_after_ms`, when the limit is reached; such a request is not counted.
        """
        ...

    async def refund(self, scope: str, subject: str) -> None:
        """Take back the newest charge, of a request that was not carried out."""
        ...


class MemoryLimiter:
    """Limits of this process alone, for tests and while Redis is away."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}  # the longest unused ones first

    async def charge(self, scope: str, subject: str, limit: int, seconds: float) -> Allowance:
        """See Limiter."""
        now = self._clock()
        self._forget(now)
        window = self._windows.pop((scope, subject), None) or _Window(deque(), seconds)
        self._windows[scope, subject] = window
        moments = window.moments
        while moments and moments[0] <= now - seconds:
            moments.popleft()
        if len(moments) >= limit:
            raise RateLimited(ceil((moments[0] + seconds - now) * 1000), limit=limit)
        moments.append(now)
        return Allowance(limit, limit - len(moments), ceil((moments[0] + seconds - now) * 1000))

    async def refund(self, scope: str, subject: str) -> None:
        """See Limiter."""
        window = self._windows.get((scope, subject))
        if window is not None and window.moments:
            window.moments.pop()

    def _forget(self, now: float) -> None:
        # Two a charge: more leave than can come, and no charge pays for all that have piled up.
        for key in list(islice(self._windows, 2)):
            moments, seconds = self._windows[key]
            if not moments or moments[-1] <= now - seconds:
                del self._windows[key]


class _Window(NamedTuple):
    moments: deque[float]
    seconds: float
