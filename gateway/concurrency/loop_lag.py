"""Measures the delay of the event loop. Used by nodes, for their metrics."""

import asyncio
from typing import Final

PAUSE: Final = 0.25  # s between two measurements
WINDOW: Final = 60  # measurements: 15 s, the usual pause between two scrapes


class LoopLag:
    """A timer that records its own delay. All other callbacks of the loop are as late at that moment."""

    def __init__(self, pause: float = PAUSE, window: int = WINDOW) -> None:
        self._pause = pause
        self._window = window
        self._noted = 0
        self._now = self._before = 0.0  # the longest delay of this window, and of the one before it
        self._timer: asyncio.TimerHandle | None = None

    @property
    def seconds(self) -> float:
        """The longest delay of the loop in the last one to two windows."""
        return max(self._now, self._before)

    def start(self) -> None:
        """Start to measure. Call it in the loop."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._pause
        self._timer = loop.call_at(due, self._late, loop, due)

    def close(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()

    def note(self, seconds: float) -> None:
        """Record one measurement."""
        self._now = max(self._now, seconds)
        self._noted += 1
        if self._noted == self._window:
            self._before, self._now, self._noted = self._now, 0.0, 0

    def _late(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.note(max(0.0, loop.time() - due))
        self.start()
