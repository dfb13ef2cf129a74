"""Reports the state of this process to systemd (`Type=notify`, `WatchdogSec=`). Does nothing without systemd.

Used by a node without workers, and by a master, which removes the variables from the environment of its workers.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from gateway.concurrency.tasks import cancel

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
WATCHDOG: Final = "WATCHDOG=1"
VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def reloading() -> str:
    """Return the state from the start of a reload until READY."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"


def notify(state: str) -> None:
    """Send a state. Never raises: it may be that no service manager listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(address)
        sender.sendall(state.encode())


@asynccontextmanager
async def watchdog() -> AsyncIterator[None]:
    """Send WATCHDOG twice in each WatchdogSec, while the context is open and the event loop runs."""
    period = int(os.environ.get("WATCHDOG_USEC") or 0) / 1e6
    if not period or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        yield
        return
    task = asyncio.get_running_loop().create_task(_beat(period / 2), name="watchdog")
    try:
        yield
    finally:
        await cancel(task)


async def _beat(pause: float) -> None:
    while True:
        notify(WATCHDOG)
        await asyncio.sleep(pause)
