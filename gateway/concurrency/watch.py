"""Detects whether a server answers: by the results of calls, and by probes while it is idle. Used by its clients."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from gateway.concurrency.tasks import cancel

log = structlog.get_logger()

FIRST_PAUSE: Final = 0.1  # s after the first failed probe; doubled after each further one
LAST_PAUSE: Final = 5.0  # s between two probes at most; probing never stops


class ServerWatch:
    """The state of one server. Times are those of `time.perf_counter`.

    Args:
        name: The name of the server, for tasks and logs.
        probe: Sends a request on a connection of its own, in bounded time. Raises if the server is away.
        interval: s without an answer after which an idle server is probed.
        tried: Called before each probe.
    """

    def __init__(
        self, name: str, probe: Callable[[], Awaitable[object]], interval: float, tried: Callable[[], object]
    ) -> None:
        self._name = name
        self._probe = probe
        self._interval = interval
        self._tried = tried
        self.away = False  # while it is True, clients refuse calls at once
        self.answered = 0.0  # when a call or a probe succeeded last; clients set it
        self._pause = FIRST_PAUSE
        self._wake = asyncio.Event()
        self._checking: asyncio.Task[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._preparations: list[Callable[[], Awaitable[object]]] = []
        self._returns: list[Callable[[], Awaitable[object]]] = []

    def before_return(self, act: Callable[[], Awaitable[object]]) -> None:
        """Call `act` each time the server answers again, before it is used. Its errors are logged."""
        self._preparations.append(act)

    def on_return(self, act: Callable[[], Awaitable[object]]) -> None:
        """Call `act` each time the server is back in use. Its errors are logged."""
        self._returns.append(act)

    def failed(self, began: float) -> None:
        """Report a call that ended without an answer.

        If other calls were answered since it `began`, the server is not away: the call may have waited for a lock.
        Otherwise the server is probed.
        """
        if self.answered < began and not self.away:
            self._wake.set()

    def leave(self) -> None:
        """Regard the server as unavailable until a probe is answered."""
        self.away = True
        self._wake.set()

    async def check(self, within: float | None = None) -> bool:
        """Return whether the server answers. It is probed unless it has answered `within` so many seconds."""
        if self.away or within is None or time.perf_counter() - self.answered >= within:
            if self._checking is None or self._checking.done():
                self._checking = asyncio.create_task(self._check(), name=f"check of {self._name}")
            await asyncio.shield(self._checking)
        return not self.away

    def start(self) -> None:
        """Start to probe."""
        self._running = asyncio.create_task(self._run(), name=f"watch of {self._name}")

    async def close(self) -> None:
        """Stop probing."""
        await cancel(self._running, self._checking)

    async def _run(self) -> None:
        while True:
            idle = time.perf_counter() - self.answered
            try:
                async with asyncio.timeout(self._pause if self.away else max(0.0, self._interval - idle)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            if self.away:
                self._pause = min(2 * self._pause, LAST_PAUSE) * random.uniform(0.8, 1)  # noqa: S311  not all at once
            await self.check(None if self._wake.is_set() else self._interval)
            self._wake.clear()

    async def _check(self) -> None:
        self._tried()
        try:
            await self._probe()
        except Exception:  # its client logs the outage
            self.leave()
            return
        self.answered = time.perf_counter()
        self._pause = FIRST_PAUSE
        if not self.away:
            return
        await self._call(self._preparations)  # until they end the server counts as unavailable
        self.away = False
        await self._call(self._returns)

    async def _call(self, acts: Iterable[Callable[[], Awaitable[object]]]) -> None:
        for act in acts:
            try:
                await act()
            except Exception:
                log.exception("a callback for the return of a server failed", server=self._name)
