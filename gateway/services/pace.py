"""What is worth telling once a second and not at every change. Used by attendance and viewers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger()

Key = TypeVar("Key")


class _Pace:
    """One key's: whether something is to be told, and whether at once."""

    def __init__(self) -> None:
        self.due = True
        self.hurry = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Paced(Generic[Key]):
    """Calls `tell(key)` `interval` seconds after something was first due for a key, once for all that was due by then.

    One task per key at most, and none for a key with nothing due. `tell` finds out itself what holds by then.
    """

    def __init__(self, interval: float, tell: Callable[[Key], Awaitable[None]], name: str) -> None:
        self._interval = interval
        self._tell = tell
        self._name = name
        self._closing = False
        self._paces: dict[Key, _Pace] = {}

    def due(self, key: Key, *, at_once: bool = False) -> None:
        """Something is to be told about a key."""
        pace = self._paces.get(key)
        if pace is None:
            pace = self._paces[key] = _Pace()
            pace.task = asyncio.create_task(self._run(key, pace), name=self._name)
        pace.due = True
        if at_once or self._closing:
            pace.hurry.set()

    async def close(self) -> None:
        """Tell at once what is due."""
        self._closing = True
        while self._paces:
            for pace in self._paces.values():
                pace.hurry.set()
            await asyncio.gather(*(pace.task for pace in self._paces.values() if pace.task is not None))

    async def _run(self, key: Key, pace: _Pace) -> None:
        while pace.due:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await pace.hurry.wait()
            pace.hurry.clear()
            pace.due = False
            try:
                await self._tell(key)
            except Exception:
                log.exception("something could not be told", about=key)
        del self._paces[key]
