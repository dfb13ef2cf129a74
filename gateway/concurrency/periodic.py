"""Runs work periodically while the process serves. Used wherever a node or a worker repeats something."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from gateway.concurrency.tasks import cancel

log = structlog.get_logger()

SPREAD = 0.2  # of the pause, so that not all nodes query the database at the same moment


class Periodic:
    """Calls `work` about every `pause` seconds. An error of a round is logged; the next round follows.

    `unavailable` is an error that is not logged here, because the client of the server has logged it.
    """

    def __init__(
        self, name: str, pause: float, work: Callable[[], Awaitable[object]], unavailable: type[Exception]
    ) -> None:
        self._name = name
        self._pause = pause
        self._work = work
        self._unavailable = unavailable
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start; the first round is after a pause."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    async def close(self) -> None:
        """Stop, even in the middle of a round."""
        await cancel(self._task)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._pause * random.uniform(1 - SPREAD, 1 + SPREAD))  # noqa: S311  nothing to guess
            try:
                await self._work()
            except self._unavailable:
                log.debug("a round was skipped", rounds=self._name)  # logged by its client
            except Exception:
                log.exception("a round failed", rounds=self._name)
