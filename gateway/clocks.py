"""The time by the clocks of Redis and PostgreSQL, which all nodes share. The clock of a node's machine may be wrong.

`redis_clock` dates access tokens and revocations, `postgres_clock` everything that is stored or sent to clients. Both
are global, one per process, and show the machine's time until ClockSync has measured them.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import structlog

from gateway.concurrency.periodic import Periodic
from gateway.errors import Unavailable
from gateway.metrics import Metrics

log = structlog.get_logger()

PAUSE: Final = 2.0  # s between two measurements
SAMPLES: Final = 3  # of the first measurement; the one with the shortest round trip is used
LIMIT: Final = 2.0  # s by which a machine's clock may be wrong before a warning
DRIFT: Final = 0.0001  # s per s by which two clocks may drift apart


class ServerClock:
    """The clock of a server, continued by the machine's monotonic clock between two measurements."""

    def __init__(
        self,
        fallback: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Take a `fallback` that returns the time, in s since 1970, until the first measurement."""
        self._fallback = fallback
        self._monotonic = monotonic
        self._wall = wall
        self._ahead: float | None = None  # s by which the server's clock is ahead of the monotonic one
        self._error = 0.0  # s by which `_ahead` may be wrong
        self._measured = 0.0  # when, by the monotonic clock

    def time(self) -> float:
        """Return the time in s since 1970."""
        ahead = self._ahead
        return self._fallback() if ahead is None else self._monotonic() + ahead

    @property
    def offset(self) -> float | None:
        """How many s the machine's clock is ahead of the server's; None before the first measurement."""
        return None if self._ahead is None else self._wall() - self.time()

    async def measure(self, ask: Callable[[], Awaitable[float]]) -> None:
        """Measure the clock with `ask`, which returns the server's time in s since 1970. Raises what `ask` raises."""
        for _ in range(SAMPLES if self._ahead is None else 1):
            sent = self._monotonic()
            answer = await ask()
            self._record(answer, sent, self._monotonic())

    def _record(self, answer: float, sent: float, received: float) -> None:
        # The server read its clock between the two times. A slow answer does not replace a more exact one.
        ahead, error = answer - (sent + received) / 2, (received - sent) / 2
        aged = self._error + (received - self._measured) * DRIFT
        if self._ahead is None or error <= aged or abs(ahead - self._ahead) > error + aged:
            self._ahead, self._error, self._measured = ahead, error, received


postgres_clock: Final = ServerClock(time.time)
redis_clock: Final = ServerClock(postgres_clock.time)
_CLOCKS: Final = {"database": postgres_clock, "redis": redis_clock}


def now() -> datetime:
    """Return the current time by PostgreSQL's clock, in UTC."""
    return datetime.fromtimestamp(postgres_clock.time(), UTC)


@lru_cache(maxsize=256)  # a message's time is in its event and its ack, the time of a commit in all events of a batch
def iso(moment: datetime) -> str:
    """Return a time as text, such as `2026-11-21T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_ms() -> int:
    """Return the current time by PostgreSQL's clock in ms since 1970, the `ts` of acks."""
    return int(postgres_clock.time() * 1000)


class ClockSync:
    """Measures both clocks periodically, and logs a warning when the machine's clock is wrong."""

    def __init__(
        self,
        sources: Mapping[str, Callable[[], Awaitable[float]]],
        metrics: Metrics,
        clocks: Mapping[str, ServerClock] = _CLOCKS,
    ) -> None:
        """Take functions that return the time of `database` and `redis`, in s since 1970, or raise Unavailable."""
        self._sources = sources
        self._clocks = clocks
        self._metrics = metrics
        self._wrong = False
        self._periodic = Periodic("clocks", PAUSE, self.measure, Unavailable)

    async def start(self) -> None:
        """Measure once, and start to measure periodically."""
        await self.measure()
        self._periodic.start()

    async def close(self) -> None:
        """Stop."""
        await self._periodic.close()

    async def measure(self) -> None:
        """Measure all clocks; those of unavailable servers stay unchanged."""
        for name, ask in self._sources.items():
            try:
                await self._clocks[name].measure(ask)
            except Unavailable:
                continue
            self._metrics.clock_offset.labels(name).set(self._clocks[name].offset or 0.0)
        self._log_change()

    @property
    def right(self) -> bool:
        """Whether the machine's clock agrees with at least one server's; the other server's clock may be wrong."""
        offsets = [clock.offset for clock in self._clocks.values()]
        known = [abs(offset) for offset in offsets if offset is not None]
        return not known or min(known) <= LIMIT

    def _log_change(self) -> None:
        wrong = not self.right
        if wrong != self._wrong:
            self._wrong = wrong
            offsets = {name: round(clock.offset, 3) for name, clock in self._clocks.items() if clock.offset is not None}
            event = "the clock of this machine is wrong" if wrong else "the clock of this machine is right again"
            log.warning(event, seconds_ahead=offsets, limit=LIMIT)
