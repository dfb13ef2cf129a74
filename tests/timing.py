"""Time in tests: how long they wait, on any machine. Called by tests and their helpers.

All durations are seconds of a quiet machine. `TEST_TIME_SCALE` multiplies them: 1 unless it is set, 3 in `make test`.
Limits that only a failing test meets are longer still on a machine that has more to do than that.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

SCALE = float(os.environ.get("TEST_TIME_SCALE", "1"))
MOST = 6.0  # the largest factor, however much the machine has to do
PATIENCE = 5.0  # s that an answer or a condition may take; only a failing test waits so long
PAUSE = 0.01  # s between two looks at a condition


def scaled(seconds: float) -> float:
    """Return the time that this machine gets for what takes `seconds` on a quiet one: the same in all of a run."""
    return seconds * SCALE


def allowed(seconds: float) -> float:
    """Return what `scaled` does, or more if more processes want to run: a limit that only a failing test meets."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * max(SCALE, min(load, MOST))


def time_limit(seconds: float = PATIENCE) -> asyncio.Timeout:
    """`asyncio.timeout` with what is allowed for `seconds`: raises TimeoutError."""
    return asyncio.timeout(allowed(seconds))


async def until(
    condition: Callable[[], Any],
    *,
    within: float = PATIENCE,
    what: str = "the condition",
    pause: float = PAUSE,
) -> Any:
    """Wait until `condition()`, or the result of awaiting it, is true, and return that value.

    Raises AssertionError, naming `what`, if that takes longer than what is allowed for `within`.
    """
    limit = allowed(within)
    ends = time.monotonic() + limit
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert time.monotonic() < ends, f"{what} did not hold within {limit:g} s; last value: {value!r}"
        await asyncio.sleep(pause)


async def grows(
    number: Callable[[], float], by: float = 1, *, within: float = PATIENCE, what: str = "the number"
) -> None:
    """Wait until `number()` has grown by `by` from its present value: for traffic that must go on before the next step.

    Raises AssertionError, naming `what`, if that takes longer than what is allowed for `within`.
    """
    first = number()
    await until(lambda: number() >= first + by, within=within, what=what)


async def next_millisecond() -> None:
    """Wait until the wall clock shows a later millisecond: tokens, sessions and revocations are compared by it."""
    moment = time.time_ns() // 1_000_000
    await until(lambda: time.time_ns() // 1_000_000 > moment, pause=0.001, what="a later millisecond")


async def stays(condition: Callable[[], Any], *, seconds: float, what: str = "the condition") -> None:
    """Check that `condition()` is true for `seconds` (not scaled: load only makes the check weaker, never wrong)."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        assert value, f"{what} ceased to hold"
        await asyncio.sleep(PAUSE)


def until_now(condition: Callable[[], T], *, within: float = PATIENCE, what: str = "the condition") -> T:
    """`until` for code without an event loop: blocks the thread."""
    limit = allowed(within)
    ends = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < ends, f"{what} did not hold within {limit:g} s; last value: {value!r}"
        time.sleep(PAUSE)
    return value


async def turns(count: int = 100) -> None:
    """Let the tasks of this loop run until they wait for something outside: a sleep that the machine cannot make short.

    Only for what needs no answer from elsewhere on its way.
    """
    for _ in range(count):
        await asyncio.sleep(0)
