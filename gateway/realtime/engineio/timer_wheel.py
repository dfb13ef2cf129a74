"""One timer for everything that has a deadline: connections, and requests for them. Filled by the engine."""

import asyncio
from typing import Protocol


class Timed(Protocol):
    """Something with a deadline. `slot` belongs to the wheel and begins as None."""

    slot: int | None

    def due(self, now: float) -> float | None:
        """Do what is due at `now` and give the next moment to be asked, None for never. Must not raise."""


class TimerWheel:
    """Keeps each item in the slot of its next moment, and one event loop timer for the first slot there is.

    Moments are of the loop's clock. All moments within a slot count as reached when its time begins: an item is
    asked at most one tick early, and not late by the wheel's doing.
    """

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._slots: dict[int, set[Timed]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0  # the slot that the timer waits for

    def at(self, item: Timed, when: float) -> None:
        """Ask the item at `when`, and not at the moment it had before."""
        self.remove(item)
        item.slot = slot = int(when / self._tick)
        items = self._slots.get(slot)
        if items is not None:
            items.add(item)
            return
        self._slots[slot] = {item}
        if self._timer is None or slot < self._next:
            self._arm(slot)

    def remove(self, item: Timed) -> None:
        """Ask the item no more."""
        if item.slot is None:
            return
        items = self._slots.get(item.slot)
        if items is not None:
            items.discard(item)
            if not items:
                del self._slots[item.slot]
        item.slot = None

    def _arm(self, slot: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = slot
        self._timer = asyncio.get_running_loop().call_at(slot * self._tick, self._turn)

    def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        for slot in sorted(slot for slot in self._slots if slot * self._tick <= now):
            moment = max(now, (slot + 1) * self._tick)
            for item in self._slots.pop(slot, ()):  # those before it may have emptied it
                if item.slot != slot:  # removed or moved by one before it
                    continue
                item.slot = None
                again = item.due(moment)
                if again is not None:
                    self.at(item, max(again, moment))
        if self._slots:
            self._arm(min(self._slots))
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None
