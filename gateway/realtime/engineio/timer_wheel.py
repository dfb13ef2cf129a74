"""One event loop timer for the deadlines of all connections and handshakes. Used by connections and fronts."""

import asyncio
from typing import Protocol


class Timed(Protocol):
    """An item with a deadline. `slot` belongs to the wheel and must be None at first."""

    slot: int | None

    def on_deadline(self, now: float) -> float | None:
        """Act on the deadline at `now`; return the next deadline, None for none. Must not raise."""


class TimerWheel:
    """Groups items into slots of `tick` s by deadline, with one event loop timer for the first slot in use.

    Deadlines are in s of the loop's clock. A slot fires when its time begins, so an item fires at most one tick early.
    """

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._slots: dict[int, set[Timed]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0  # the slot for which the timer is set

    def at(self, item: Timed, when: float) -> None:
        """Set the deadline of an item, replacing its previous one."""
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
        """Cancel the deadline of an item, if it has one."""
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
            for item in self._slots.pop(slot, ()):  # an earlier item may have emptied the slot
                if item.slot != slot:  # an earlier item removed or moved it
                    continue
                item.slot = None
                again = item.on_deadline(moment)
                if again is not None:
                    self.at(item, max(again, moment))
        if self._slots:
            self._arm(min(self._slots))
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None
