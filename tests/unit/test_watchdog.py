"""tests/watchdog.py: what does not end is ended."""

import asyncio
import subprocess
import sys
import threading
import traceback
from collections.abc import AsyncIterator
from functools import partial

import psutil
import pytest

from tests.timing import allowed, until_now
from tests.watchdog import EXIT_CODE, ends_within, limited, limited_fixture

STUCK = """
import asyncio, subprocess
from tests.watchdog import ends_within

async def stuck():
    while True:
        try:
            await asyncio.sleep(1)
        except BaseException:
            pass

print(subprocess.Popen(["sleep", "1000"]).pid, flush=True)
with ends_within(0.2, "the stuck test", 2):
    asyncio.run(stuck())
"""


def is_gone(child: int) -> bool:
    """Whether a process has ended, also if nobody has asked how."""
    return not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_process_that_goes_on_is_ended_with_its_children_and_says_where_it_was() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=allowed(20))
    assert done.returncode == EXIT_CODE
    assert "the stuck test has not ended after 0.2 s" in done.stderr
    assert "in run" in done.stderr, "the stack of the thread"
    assert "in stuck" in done.stderr, "the stack of the task"
    until_now(partial(is_gone, int(done.stdout)), what="the child has ended")


def test_a_block_that_ends_in_time_ends_nothing() -> None:
    before = set(threading.enumerate())
    with ends_within(600, "a block", 2):
        [timer] = set(threading.enumerate()) - before
    until_now(lambda: not timer.is_alive(), what="nothing is left that would end this process")


async def waits() -> None:
    """Wait for what does not happen."""
    await asyncio.Event().wait()


async def test_a_coroutine_that_waits_too_long_is_cancelled_and_its_traceback_names_the_line() -> None:
    with pytest.raises(TimeoutError) as raised:
        await limited(waits, 0.01)()
    assert "await asyncio.Event().wait()" in "".join(traceback.format_exception(raised.value))


async def fixture() -> AsyncIterator[int]:
    """Yield, and wait for what does not happen."""
    yield 1
    await waits()


async def test_a_fixture_that_waits_too_long_after_its_yield_is_cancelled() -> None:
    steps = limited_fixture(fixture, 0.01)()
    assert await anext(steps) == 1
    await asyncio.sleep(0.02)  # the test has all its own time
    with pytest.raises(TimeoutError):
        await anext(steps)


async def test_pytest_timeout_keeps_out_of_coroutines(request: pytest.FixtureRequest) -> None:
    marker = request.node.get_closest_marker("timeout")
    assert marker is not None
    assert marker.args == (0,)
    task = asyncio.current_task()
    assert task is not None
    assert "watchdog.py" in repr(task), "the limit is around it"
