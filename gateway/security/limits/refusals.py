"""The limit of requests that are refused. Used by the pipeline of events."""

import time
from collections.abc import Callable
from itertools import islice
from math import ceil

from gateway.errors import RateLimited
from gateway.security.limits.limits import Limiter

SCOPE = "refused"


class Refusals:
    """Counts the refused requests of each user, over all nodes.

    Refused requests are not charged to the limits of what they ask for. A user who has sent too many of them is refused
    without a look at what they send, until there is room for another one. This node remembers that, so that it costs no
    round trip.
    """

    def __init__(self, limiter: Limiter, rate: tuple[int, float], clock: Callable[[], float] = time.monotonic) -> None:
        """`rate`: how many, in how many seconds."""
        self._limiter = limiter
        self._limit, self._seconds = rate
        self._clock = clock
        self._over: dict[str, float] = {}  # until when a user is refused; the earliest ones first

    def check(self, user_id: str) -> None:
        """Raise RateLimited for a user who is over the limit."""
        if not self._over or (until := self._over.get(user_id)) is None:
            return
        left = until - self._clock()
        if left > 0:
            raise RateLimited(ceil(left * 1000), limit=self._limit)
        del self._over[user_id]

    async def charge(self, user_id: str) -> None:
        """Count a refused request. Raises RateLimited if the user is over the limit by now."""
        try:
            await self._limiter.charge(SCOPE, user_id, self._limit, self._seconds)
        except RateLimited as error:
            now = self._clock()
            for known in list(islice(self._over, 2)):  # more leave than can come
                if self._over[known] <= now:
                    del self._over[known]
            self._over.pop(user_id, None)
            self._over[user_id] = now + error.retry_after_ms / 1000
            raise
