"""Rate limits: the interface, and a limiter in the memory of one process. `redis.py` counts over all nodes."""

import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from math import ceil
from typing import NamedTuple, Protocol

from gateway.errors import RateLimited


class Allowance(NamedTuple):
    """What a charge leaves of its limit. `reset_ms`: until the oldest charge leaves the window and allows another."""

    limit: int
    remaining: int
    reset_ms: int


class Limiter(Protocol):
    """Allows at most `limit` charges within any window of `seconds`, which is half-open at its end."""

    async def charge(self, scope: str, subject: str, limit: int, seconds: float) -> Allowance:
        """Count one request of `subject` in `scope`. All calls with a scope pass the same `seconds`.

        Raises RateLimited, with `limit` and `retry_after_ms`, if the limit is reached; such a request is not counted.
        """
        ...

    async def refund(self, scope: str, subject: str) -> None:
        """Take back the newest charge, for a request that was not carried out."""
        ...


class MemoryLimiter:
    """Rate limits of this process only. For tests, and while Redis is unavailable."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}  # least recently used first

    async def charge(self, scope: str, subject: str, limit: int, seconds: float) -> Allowance:
        """See Limiter."""
        now = self._clock()
        self._delete_expired(now)
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

    def _delete_expired(self, now: float) -> None:
        # Two for each charge: windows are deleted faster than they are added, in constant time.
        for key in list(islice(self._windows, 2)):
            moments, seconds = self._windows[key]
            if not moments or moments[-1] <= now - seconds:
                del self._windows[key]


class _Window(NamedTuple):
    moments: deque[float]
    seconds: float
