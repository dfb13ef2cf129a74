"""Reports changes of rooms' member counts that no call on this node returned. Used by RedisPresence."""

import asyncio

import structlog

from gateway.keys import Room
from gateway.realtime.presence.presence import Callback, Census

log = structlog.get_logger()


class PresenceChanges:
    """Calls the callbacks with the newest census of each room, in its own task so that heartbeats do not wait."""

    def __init__(self) -> None:
        self._callbacks: list[Callback] = []
        self._queue: dict[Room, Census] = {}
        self._wake = asyncio.Event()

    def on_change(self, callback: Callback) -> None:
        """See Presence."""
        self._callbacks.append(callback)

    def report(self, room: Room, census: Census) -> None:
        """Queue a census for the callbacks, if the count has changed."""
        if census.changed:
            self._queue[room] = census
            self._wake.set()

    async def run(self) -> None:
        """Call the callbacks with queued changes, forever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                room = next(iter(self._queue))
                census = self._queue.pop(room)
                for callback in self._callbacks:
                    try:
                        await callback(room, census)
                    except Exception:
                        log.exception("presence callback failed", room=room)
