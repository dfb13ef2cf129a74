"""A limit on tests that hold against everything: ends the process of a test that does not end. Called by conftest.

pytest-timeout raises an exception in the running test. That does not end a test whose event loop never rests, since a
callback's exceptions are logged there, and it does not limit the teardown of a test that has failed at all.
"""

import asyncio
import faulthandler
import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

EXIT_CODE = 70  # what pytest-xdist reports of the process, together with the test that it was running


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
        for child in psutil.Process().children(recursive=True):
            child.kill()
        os._exit(EXIT_CODE)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
