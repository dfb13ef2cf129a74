"""One event loop timer for the deadlines of all connections and handshakes. Used by connections and fronts."""

import asyncio
from typing import Protocol


class Timed(Protocol):
    """An item with a deadline. `bucket` belongs to the wheel and must be None at first."""

    bucket: int | None

    def on_deadline(self, now: float) -> float | None:
        """Act on the deadline at `now`; return the next deadline, None for none. Must not raise."""


class TimerWheel:
    """Groups items into buckets of `tick` s by deadline, with one event loop timer for the first bucket in use.

    Deadlines are in s of the loop's clock. A bucket fires when its time begins, an item at most one tick early.
    """

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._buckets: dict[int, set[Timed]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0  # the bucket for which the timer is set

    def at(self, item: Timed, when: float) -> None:
        """Set the deadline of an item, replacing its previous one."""
        self.remove(item)
        item.bucket = bucket = int(when / self._tick)
        items = self._buckets.get(bucket)
        if items is not None:
            items.add(item)
            return
        self._buckets[bucket] = {item}
        if self._timer is None or bucket < self._next:
            self._arm(bucket)

    def remove(self, item: Timed) -> None:
        """Cancel the deadline of an item, if it has one."""
        if item.bucket is None:
            return
        items = self._buckets.get(item.bucket)
        if items is not None:
            items.discard(item)
            if not items:
                del self._buckets[item.bucket]
        item.bucket = None

    def _arm(self, bucket: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = bucket
        self._timer = asyncio.get_running_loop().call_at(bucket * self._tick, self._turn)

    def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        for bucket in sorted(bucket for bucket in self._buckets if bucket * self._tick <= now):
            moment = max(now, (bucket + 1) * self._tick)
            for item in self._buckets.pop(bucket, ()):  # an earlier item may have emptied the bucket
                if item.bucket != bucket:  # an earlier item removed or moved it
                    continue
                item.bucket = None
                again = item.on_deadline(moment)
                if again is not None:
                    self.at(item, max(again, moment))
        if self._buckets:
            self._arm(min(self._buckets))
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None
