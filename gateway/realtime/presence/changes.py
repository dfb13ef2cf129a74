"""What became of rooms without anybody on this node asking, told to whoever tells the rooms. Used by presence_redis."""

import asyncio

import structlog

from gateway.keys import Room
from gateway.realtime.presence.presence import Callback, Census

log = structlog.get_logger()


class PresenceChanges:
    """Of each room the newest, in a task of their own: a heartbeat waits for nobody who listens."""

    def __init__(self) -> None:
        self._callbacks: list[Callback] = []
        self._news: dict[Room, Census] = {}
        self._has_news = asyncio.Event()

    def on_change(self, callback: Callback) -> None:
        """See Presence."""
        self._callbacks.append(callback)

    def report(self, room: Room, census: Census) -> None:
        """Have a room told, if the census says that it is to be."""
        if census.changed:
            self._news[room] = census
            self._has_news.set()

    async def run(self) -> None:
        """Tell. Never ends."""
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            while self._news:
                room = next(iter(self._news))
                census = self._news.pop(room)
                for callback in self._callbacks:
                    try:
                        await callback(room, census)
                    except Exception:
                        log.exception("a change of presence could not be told", room=room)
