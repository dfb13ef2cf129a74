"""Tells whether the servers behind a process answer, without asking them. Kept by a node for its handshakes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from gateway.concurrency.tasks import cancel

log = structlog.get_logger()

PAUSE: Final = 1.0  # s between two probes of one server; a probe has a bound of its own


class Availability:
    """Probes each server about once a second. `probes`: by name, whether it answers in time."""

    def __init__(self, probes: Mapping[str, Callable[[], Awaitable[bool]]], pause: float = PAUSE) -> None:
        self._probes = probes
        self._pause = pause
        self._away: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def complete(self) -> bool:
        """Whether every server answered when it was probed last."""
        return not self._away

    async def start(self) -> None:
        """Probe every server, and again from now on."""
        await asyncio.gather(*map(self._probe, self._probes))
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run(name), name=f"availability of {name}") for name in self._probes]

    async def close(self) -> None:
        """Stop probing."""
        await cancel(*self._tasks)

    async def _run(self, name: str) -> None:
        while True:
            await asyncio.sleep(self._pause)
            await self._probe(name)

    async def _probe(self, name: str) -> None:
        answers = False
        try:
            answers = await self._probes[name]()
        except Exception:
            log.exception("a server could not be probed", server=name)
        if answers:
            self._away.discard(name)
        else:
            self._away.add(name)
