"""Tells rooms how many are in them: in slots over all nodes, not at every change. Used by attendance and viewers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from gateway.keys import Room
from gateway.realtime.presence.presence import Census, Presence

log = structlog.get_logger()

CLOSING = 2.0  # s: two slots, of which other nodes have one at least, if they have left none to this one


class _RoomThrottle:
    """One room's."""

    def __init__(self) -> None:
        self.due = True
        self.hurry = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Throttle:
    """Calls `tell(room, census)` when something was due for a room and this node gets the slot.

    One task per room at most, and none for a room of which all is told, by whatever node.
    """

    def __init__(self, slots: Presence, tell: Callable[[Room, Census], Awaitable[None]], name: str) -> None:
        self._slots = slots
        self._tell = tell
        self._name = name
        self._paces: dict[Room, _RoomThrottle] = {}
        self._closing = False

    def due(self, room: Room, *, at_once: bool = False) -> None:
        """The number of a room has changed; `at_once`: to or from nobody, for which a slot need not be waited for."""
        pace = self._paces.get(room)
        if pace is None:
            pace = self._paces[room] = _RoomThrottle()
            pace.task = asyncio.create_task(self._run(room, pace), name=self._name)
        pace.due = True
        if at_once:
            pace.hurry.set()

    async def close(self) -> None:
        """Have told what is due by now; what other nodes change from here on is theirs to tell."""
        self._closing = True
        if tasks := [pace.task for pace in self._paces.values() if pace.task is not None]:
            _, late = await asyncio.wait(tasks, timeout=CLOSING)
            for task in late:
                task.cancel()

    async def _run(self, room: Room, pace: _RoomThrottle) -> None:
        while pace.due:
            pace.due = False
            pace.hurry.clear()
            try:
                slot = await self._slots.claim_slot(room)
                if slot.census is not None:
                    await self._tell(room, slot.census)
                    more = await self._slots.published(room, slot)
                    pace.due |= more and not self._closing
            except Exception:
                log.exception("a room could not be told its number", room=room)
                continue
            if slot.wait is not None:
                pace.due = True
                with suppress(TimeoutError):
                    async with asyncio.timeout(slot.wait):
                        await pace.hurry.wait()
        del self._paces[room]
