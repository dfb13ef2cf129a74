"""Time in tests: how long they wait, on any machine. Called by tests and their helpers.

All durations are seconds of a quiet machine. `TEST_TIME_SCALE` multiplies them: 1 unless it is set, 3 in `make test`.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

SCALE = float(os.environ.get("TEST_TIME_SCALE", "1"))
PATIENCE = 5.0  # s that an answer or a condition may take; only a failing test waits so long
PAUSE = 0.01  # s between two looks at a condition


def scaled(seconds: float) -> float:
    """Return the time that this machine gets for what takes `seconds` on a quiet one."""
    return seconds * SCALE


def time_limit(seconds: float = PATIENCE) -> asyncio.Timeout:
    """`asyncio.timeout` with a scaled limit: raises TimeoutError."""
    return asyncio.timeout(scaled(seconds))


async def until(
    condition: Callable[[], Any],
    *,
    within: float = PATIENCE,
    what: str = "the condition",
    pause: float = PAUSE,
) -> Any:
    """Wait until `condition()`, or the result of awaiting it, is true, and return that value.

    Raises AssertionError, naming `what`, if that takes longer than `within` (scaled) or the last value was false then.
    """
    ends = time.monotonic() + scaled(within)
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert time.monotonic() < ends, f"{what} did not hold within {scaled(within):g} s; last value: {value!r}"
        await asyncio.sleep(pause)


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
    ends = time.monotonic() + scaled(within)
    while not (value := condition()):
        assert time.monotonic() < ends, f"{what} did not hold within {scaled(within):g} s; last value: {value!r}"
        time.sleep(PAUSE)
    return value


async def turns(count: int = 100) -> None:
    """Let the tasks of this loop run until they wait for something outside: a sleep that the machine cannot make short.

    Only for what needs no answer from elsewhere on its way.
    """
    for _ in range(count):
        await asyncio.sleep(0)
