"""Limits the refused requests of each user. Used by the pipeline of events."""

import time
from collections.abc import Callable
from itertools import islice
from math import ceil

from gateway.errors import RateLimited
from gateway.security.limits.limits import Limiter

SCOPE = "refused"


class RefusedRequests:
    """Counts the refused requests of each user, over all nodes.

    Refused requests are not charged to the limit of their event. A user over this limit is refused without reading the
    request, until the limit allows another one; the node remembers that in memory, without a round trip.
    """

    def __init__(self, limiter: Limiter, rate: tuple[int, float], clock: Callable[[], float] = time.monotonic) -> None:
        """Take the limit as `rate`: a number of requests, and a number of seconds."""
        self._limiter = limiter
        self._limit, self._seconds = rate
        self._clock = clock
        self._over: dict[str, float] = {}  # until when each user is refused, in order of insertion

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
            for known in list(islice(self._over, 2)):  # entries are deleted faster than they are added
                if self._over[known] <= now:
                    del self._over[known]
            self._over.pop(user_id, None)
            self._over[user_id] = now + error.retry_after_ms / 1000
            raise
