"""What time it is, by the clocks of the servers that all nodes share: the clock of a node may be wrong.

`redis_clock` dates access tokens and revocations, `postgres_clock` everything that is stored or sent to clients. Each
process has one of each, as it has one clock of its machine, which is what they show until ClockSync has measured them.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from gateway.concurrency.periodic import Periodic
from gateway.errors import Unavailable
from gateway.metrics import Metrics

log = structlog.get_logger()

PAUSE: Final = 2.0  # s between two measurements
SAMPLES: Final = 3  # of one measurement, the first time; the one with the shortest way counts
LIMIT: Final = 2.0  # s by which a node's clock may be wrong
DRIFT: Final = 0.0001  # s per s that quartz clocks may drift apart


class ServerClock:
    """The clock of a server, carried on by this machine's monotonic clock between two measurements."""

    def __init__(
        self,
        fallback: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`fallback` tells the time, in s since 1970, until the first measurement."""
        self._fallback = fallback
        self._monotonic = monotonic
        self._wall = wall
        self._ahead: float | None = None  # of the monotonic clock, in s
        self._error = 0.0  # s that `_ahead` may be wrong by
        self._measured = 0.0  # by the monotonic clock

    def time(self) -> float:
        """What time it is, in s since 1970."""
        ahead = self._ahead
        return self._fallback() if ahead is None else self._monotonic() + ahead

    @property
    def offset(self) -> float | None:
        """How many s the machine's clock is ahead of the server's; None before the first measurement."""
        return None if self._ahead is None else self._wall() - self.time()

    async def measure(self, ask: Callable[[], Awaitable[float]]) -> None:
        """Ask the server for its time, in s since 1970. Raises what `ask` raises."""
        for _ in range(SAMPLES if self._ahead is None else 1):
            asked = self._monotonic()
            answer = await ask()
            self._note(answer, asked, self._monotonic())

    def _note(self, answer: float, asked: float, answered: float) -> None:
        # It was read between the two moments. An answer that took long is no reason to doubt a better one.
        ahead, error = answer - (asked + answered) / 2, (answered - asked) / 2
        aged = self._error + (answered - self._measured) * DRIFT
        if self._ahead is None or error <= aged or abs(ahead - self._ahead) > error + aged:
            self._ahead, self._error, self._measured = ahead, error, answered


postgres_clock: Final = ServerClock(time.time)
redis_clock: Final = ServerClock(postgres_clock.time)
_CLOCKS: Final = {"database": postgres_clock, "redis": redis_clock}


class ClockSync:
    """Measures the clocks every few seconds, and tells when this machine's is wrong."""

    def __init__(
        self,
        sources: Mapping[str, Callable[[], Awaitable[float]]],
        metrics: Metrics,
        clocks: Mapping[str, ServerClock] = _CLOCKS,
    ) -> None:
        """`sources` ask `database` and `redis` for their time, in s since 1970; they raise Unavailable."""
        self._sources = sources
        self._clocks = clocks
        self._metrics = metrics
        self._wrong = False
        self._periodic = Periodic("clocks", PAUSE, self.measure, Unavailable)

    async def start(self) -> None:
        """Measure, and go on with it."""
        await self.measure()
        self._periodic.start()

    async def close(self) -> None:
        """Measure no more."""
        await self._periodic.close()

    async def measure(self) -> None:
        """Measure all clocks; those of servers that are away stay as they were."""
        for name, ask in self._sources.items():
            try:
                await self._clocks[name].measure(ask)
            except Unavailable:
                continue
            self._metrics.clock_offset.labels(name).set(self._clocks[name].offset or 0.0)
        self._tell()

    @property
    def right(self) -> bool:
        """Whether this machine's clock agrees with that of a server; the other server's own clock may be wrong."""
        offsets = [clock.offset for clock in self._clocks.values()]
        known = [abs(offset) for offset in offsets if offset is not None]
        return not known or min(known) <= LIMIT

    def _tell(self) -> None:
        wrong = not self.right
        if wrong != self._wrong:
            self._wrong = wrong
            offsets = {name: round(clock.offset, 3) for name, clock in self._clocks.items() if clock.offset is not None}
            event = "the clock of this machine is wrong" if wrong else "the clock of this machine is right again"
            log.warning(event, seconds_ahead=offsets, limit=LIMIT)
