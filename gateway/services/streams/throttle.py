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
    """The throttle of one room."""

    def __init__(self) -> None:
        self.due = True
        self.hurry = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Throttle:
    """Calls `tell(room, census)` when a room's number has changed and this node gets the slot.

    There is at most one task per room, and none for a room whose number has been published, by whatever node.
    """

    def __init__(self, slots: Presence, tell: Callable[[Room, Census], Awaitable[None]], name: str) -> None:
        self._slots = slots
        self._tell = tell
        self._name = name
        self._rooms: dict[Room, _RoomThrottle] = {}
        self._closing = False

    def due(self, room: Room, *, at_once: bool = False) -> None:
        """The number of a room has changed; `at_once`: to or from nobody, for which a slot need not be waited for."""
        throttled = self._rooms.get(room)
        if throttled is None:
            throttled = self._rooms[room] = _RoomThrottle()
            throttled.task = asyncio.create_task(self._run(room, throttled), name=self._name)
        throttled.due = True
        if at_once:
            throttled.hurry.set()

    async def close(self) -> None:
        """Publish the changes so far; other nodes publish the later ones."""
        self._closing = True
        if tasks := [throttled.task for throttled in self._rooms.values() if throttled.task is not None]:
            _, late = await asyncio.wait(tasks, timeout=CLOSING)
            for task in late:
                task.cancel()

    async def _run(self, room: Room, throttled: _RoomThrottle) -> None:
        while throttled.due:
            throttled.due = False
            throttled.hurry.clear()
            try:
                slot = await self._slots.claim_slot(room)
                if slot.census is not None:
                    await self._tell(room, slot.census)
                    more = await self._slots.published(room, slot)
                    throttled.due |= more and not self._closing
            except Exception:
                log.exception("the number of a room could not be published", room=room)
                continue
            if slot.wait is not None:
                throttled.due = True
                with suppress(TimeoutError):
                    async with asyncio.timeout(slot.wait):
                        await throttled.hurry.wait()
        del self._rooms[room]
