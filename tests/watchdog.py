"""Time limits of tests and of their fixtures, and the end of a process that passes them. Called by conftest.

pytest-timeout raises an exception in the main thread. uvloop logs that, wherever it waits, and goes on waiting, so a
coroutine gets a limit of its own: it is cancelled, and its traceback names the line that waited.
"""

import asyncio
import faulthandler
import functools
import gc
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from tests.timing import time_limit

EXIT_CODE = 70  # what pytest-xdist reports of the process, together with the test that it was running


def limited(coroutine: Callable[..., Awaitable[Any]], seconds: float) -> Callable[..., Awaitable[Any]]:
    """Return a coroutine function that gets what is allowed for `seconds`, and raises TimeoutError after that."""

    @functools.wraps(coroutine)
    async def within(*arguments: Any, **named: Any) -> Any:
        async with time_limit(seconds):
            return await coroutine(*arguments, **named)

    return within


def limited_fixture(generator: Callable[..., AsyncIterator[Any]], seconds: float) -> Callable[..., AsyncIterator[Any]]:
    """Return an asynchronous fixture with a time limit for what is before its `yield`, and one for what follows."""

    @functools.wraps(generator)
    async def within(*arguments: Any, **named: Any) -> AsyncIterator[Any]:
        steps = generator(*arguments, **named)
        async with time_limit(seconds):
            value = await anext(steps)
        yield value
        async with time_limit(seconds):
            async for _ in steps:
                raise AssertionError("a fixture yields once")

    return within


@contextmanager
def ends_within(seconds: float, what: str, stderr: int) -> Iterator[None]:
    """End this process and its children, unless the block ends within `seconds`.

    Before that the stacks of all threads and tasks are written to the descriptor `stderr`, below a line that names
    `what`.
    """

    def end() -> None:
        os.write(stderr, f"\n{what} has not ended after {seconds:g} s: this process ends\n".encode())
        faulthandler.dump_traceback(stderr)
        with os.fdopen(os.dup(stderr), "w") as file:
            for task in gc.get_objects():
                if isinstance(task, asyncio.Task) and not task.done():
                    task.print_stack(file=file)
        children = psutil.Process().children(recursive=True)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=5)
        os._exit(EXIT_CODE)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
