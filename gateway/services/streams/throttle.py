"""Publishes the member counts of rooms at most once a second over all nodes. Used by member counts and viewers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from gateway.keys import Room
from gateway.realtime.presence.presence import Census, Presence

log = structlog.get_logger()

CLOSING = 2.0  # s, in which two permits are given: without one, another node publishes the count


class _RoomThrottle:
    """The throttle of one room."""

    def __init__(self) -> None:
        self.due = True
        self.hurry = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Throttle:
    """Calls `publish(room, census)` when a room's count has changed and this node gets the permit.

    A room has at most one task, and none when some node has published its count.
    """

    def __init__(self, permits: Presence, publish: Callable[[Room, Census], Awaitable[None]], name: str) -> None:
        self._permits = permits
        self._publish = publish
        self._name = name
        self._rooms: dict[Room, _RoomThrottle] = {}
        self._closing = False

    def due(self, room: Room, *, at_once: bool = False) -> None:
        """Schedule the publication of a count; `at_once` ends waiting for a permit, for a change from or to 0."""
        throttled = self._rooms.get(room)
        if throttled is None:
            throttled = self._rooms[room] = _RoomThrottle()
            throttled.task = asyncio.create_task(self._run(room, throttled), name=self._name)
        throttled.due = True
        if at_once:
            throttled.hurry.set()

    async def close(self) -> None:
        """Publish the pending counts; other nodes publish later changes."""
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
                permit = await self._permits.claim_permit(room)
                if permit.census is not None:
                    await self._publish(room, permit.census)
                    more = await self._permits.published(room, permit)
                    throttled.due |= more and not self._closing
            except Exception:
                log.exception("the member count of a room could not be published", room=room)
                continue
            if permit.wait is not None:
                throttled.due = True
                with suppress(TimeoutError):
                    async with asyncio.timeout(permit.wait):
                        await throttled.hurry.wait()
        del self._rooms[room]
