"""Opens the parts of a process, waits for the signal to stop, and closes them. Used by the composition roots."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

import structlog

log = structlog.get_logger()

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
LEAST = 1.0  # s that every step may take to close, even if the others have used up the time


class Step(NamedTuple):
    """A part that is open while the process serves."""

    name: str
    open: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]


async def run(
    steps: Sequence[Step],
    *,
    within: timedelta,
    ready: Callable[[], None],
    drain: Callable[[asyncio.Event], Awaitable[None]] | None = None,
) -> None:
    """Open every step in order, call `ready`, wait for SIGTERM or SIGINT, drain, close every step in reverse.

    If a step fails to open, the open steps are closed and the error is raised. An error of a step that closes is
    logged, and a step that hangs is abandoned when the time for all of them is used up; the others are closed.

    Args:
        steps: The parts to open; a step may use those before it.
        within: The time limit for draining and closing together.
        ready: Called once all steps are open.
        drain: Called before the first step is closed, with an event that a second signal sets to skip waiting.
    """
    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, signalled)
    opened: list[Step] = []
    deadline = None
    try:
        for step in steps:
            await step.open()
            opened.append(step)
        tune_collector()
        ready()
        await stop.wait()
        log.info("stopping")
        deadline = loop.time() + within.total_seconds()
        if drain is not None:
            await _drain(drain, hurry, deadline)
    finally:
        await _close(opened, deadline or loop.time() + within.total_seconds())
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


def tune_collector() -> None:
    """Exempt all present objects from garbage collection, and let the collector run less often.

    With Python's default threshold of 700 new objects a dozen new clients cause a collection, and each of the larger
    collections visits all modules and all clients: a fifth of the cost of a connect. Our own objects form no cycles, so
    little memory waits for a collection: 50,000 objects are a few MB.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _drain(drain: Callable[[asyncio.Event], Awaitable[None]], hurry: asyncio.Event, deadline: float) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            await drain(hurry)
    except Exception:
        log.exception("the process could not be drained")


async def _close(opened: Sequence[Step], deadline: float) -> None:
    loop = asyncio.get_running_loop()
    for step in reversed(opened):
        try:
            async with asyncio.timeout(max(LEAST, deadline - loop.time())):
                await step.close()
        except TimeoutError:
            log.error("step did not close in time", step=step.name)  # noqa: TRY400  the traceback would end here
        except Exception:
            log.exception("a step failed to close", step=step.name)
        else:
            log.info("closed", step=step.name)
