"""What a process opens and closes: one list, opened in order, closed in reverse. Run by the composition root."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

import structlog

log = structlog.get_logger()

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
LEAST = 1.0  # s that every step may take to close, however long the ones before it took


class Step(NamedTuple):
    """One thing that is open while the process serves."""

    name: str
    open: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]


async def run(steps: Sequence[Step], *, within: timedelta, ready: Callable[[], None]) -> None:
    """Open every step, call `ready`, wait for SIGTERM or SIGINT, close every step in reverse.

    When a step fails to open, those before it are closed and the error is raised. Closing goes on whatever a step does:
    a failure is logged, and a step that hangs is left behind when the time for all of them is used up.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    opened: list[Step] = []
    try:
        for step in steps:
            await step.open()
            opened.append(step)
        settle()
        ready()
        await stop.wait()
        log.info("stopping")
    finally:
        await _close(opened, within.total_seconds())
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


def settle() -> None:
    """Spare the collector of cycles what is here for good, and let it look less often at the rest.

    With Python's own threshold of 700 new objects a dozen arriving clients make a collection, and each of the larger
    ones walks over all modules and all clients: a fifth of what a connect costs. Our own objects are in no cycles, so
    little waits for it: 50,000 objects are a few MB.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _close(opened: Sequence[Step], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    for step in reversed(opened):
        try:
            async with asyncio.timeout(max(LEAST, deadline - loop.time())):
                await step.close()
        except TimeoutError:
            log.error("a step did not close in time", step=step.name)  # noqa: TRY400  where it hung is not here
        except Exception:
            log.exception("a step failed to close", step=step.name)
        else:
            log.info("closed", step=step.name)
