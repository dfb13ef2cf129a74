"""Runs commands as processes that need not import: forked from one that has imported. Called by terminal.py.

Models and migrations are not imported beforehand: tests bring copies of them.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import ModuleType

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__, "gateway.cli", "aerich", "aiohttp.web", "asyncpg", "tortoise.models"])


def fork(
    arguments: Sequence[str], environment: dict[str, str], *, places: Sequence[Path], files: Sequence[str]
) -> ForkServerProcess:
    """Start `dorami` with `places` before the others on the path; `files` become stdin, stdout and stderr.

    Where stdin is a terminal it is the command's.
    """
    process = CONTEXT.Process(target=_run, args=(list(arguments), environment, list(map(str, places)), list(files)))
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")  # it would import pytest again
    try:
        process.start()
    finally:
        sys.modules["__main__"] = main
    return process


def _run(arguments: list[str], environment: dict[str, str], places: list[str], files: list[str]) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor, file in enumerate(files):
        opened = os.open(file, os.O_RDWR)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww"))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(places[0])
    sys.path[:0] = places
    sys.argv = ["dorami", *arguments]
    from gateway.cli import main

    main()
