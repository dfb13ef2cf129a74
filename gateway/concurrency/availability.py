"""The status of the servers behind a node, by periodic probes. Used by its handshakes and its readiness."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, Literal, NamedTuple

import structlog

from gateway.concurrency.tasks import cancel

log = structlog.get_logger()

PAUSE: Final = 1.0  # s between two probes of one server; a probe has its own time limit
HURRY: Final = 0.25  # s between two probes of a server that is down and whose return must be noticed soon

# full: it answers, and accepts no writes because memory or disk is full; partial: some servers of a cluster are down
ServerStatus = Literal["up", "full", "partial", "down"]
STATUSES: Final[tuple[ServerStatus, ...]] = ("up", "full", "partial", "down")


def worse(one: ServerStatus, other: ServerStatus) -> ServerStatus:
    """Return the worse of two."""
    return max(one, other, key=STATUSES.index)


class Hearing(NamedTuple):
    """Which probes of a server were answered. Times are those of `time.monotonic`."""

    answered: float | None = None  # when the newest answered probe was sent
    missing: float | None = None  # when the oldest unanswered probe after it was sent

    def asked(self, moment: float) -> "Hearing":
        """Return the state after another probe was sent."""
        return self if self.missing is not None else self._replace(missing=moment)

    def both(self, other: "Hearing") -> "Hearing":
        """Return the state of two servers, or of two kinds of probes, together: the worse of each field."""
        answered = None if self.answered is None or other.answered is None else min(self.answered, other.answered)
        missing = [moment for moment in (self.missing, other.missing) if moment is not None]
        return Hearing(answered, min(missing, default=None))


class Availability:
    """Probes each server about once a second.

    Args:
        probes: By the name of a server, a function that returns its status in bounded time.
        pause: s between two probes of one server.
        hurried: Names of servers that are probed more often while they are down.
    """

    def __init__(
        self,
        probes: Mapping[str, Callable[[], Awaitable[ServerStatus]]],
        pause: float = PAUSE,
        hurried: Collection[str] = (),
    ) -> None:
        self._hurried = hurried
        self._probes = probes
        self._pause = pause
        self._statuses: dict[str, ServerStatus] = dict.fromkeys(probes, "down")
        self._hearings = dict.fromkeys(probes, Hearing())
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def complete(self) -> bool:
        """Whether every server answered when it was probed last."""
        return "down" not in self._statuses.values()

    def status(self, name: str) -> ServerStatus:
        """Return the status of a server by its last probe."""
        return self._statuses[name]

    def hearing(self, name: str) -> Hearing:
        """Return which probes of a server were answered."""
        return self._hearings[name]

    async def start(self) -> None:
        """Probe every server once, then periodically."""
        await asyncio.gather(*map(self._probe, self._probes))
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run(name), name=f"availability of {name}") for name in self._probes]

    async def close(self) -> None:
        """Stop probing."""
        await cancel(*self._tasks)

    async def _run(self, name: str) -> None:
        while True:
            hurry = name in self._hurried and self._statuses[name] == "down"
            await asyncio.sleep(min(self._pause, HURRY) if hurry else self._pause)
            await self._probe(name)

    async def _probe(self, name: str) -> None:
        asked = time.monotonic()
        status: ServerStatus = "down"
        try:
            status = await self._probes[name]()
        except Exception:
            log.exception("a server could not be probed", server=name)
        self._statuses[name] = status
        self._hearings[name] = self._hearings[name].asked(asked) if status == "down" else Hearing(asked)
