"""The file descriptors of this process: raises the limit, and warns before they run out. Used by nodes.

A process without a free descriptor accepts no connection and opens no file, without any log entry: the event loop
ignores connections that it cannot accept.
"""

import os
import resource
from contextlib import suppress
from pathlib import Path

from gateway.concurrency.outage import Outage
from gateway.concurrency.periodic import Periodic
from gateway.metrics import Metrics

LOOK = 2.0  # s between two checks
LOW = 0.9  # of the limit: with more in use new connections may soon fail
OPEN = Path("/proc/self/fd")  # Linux; on other systems nothing is watched


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one, and return the limit that is then in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # an unlimited hard limit is refused on some systems
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class DescriptorWatch:
    """Logs when less than a tenth of the descriptors is free and when that ends; sets `dorami_descriptors_low`."""

    def __init__(self, metrics: Metrics, look: float = LOOK) -> None:
        self._metrics = metrics
        self._outage = Outage("file descriptors are running out", "file descriptors are free again", quiet=0)
        self._periodic = Periodic("descriptors", look, self.look, OSError)

    def start(self) -> None:
        """Start to watch, on systems that list the open descriptors."""
        if OPEN.is_dir():
            self._periodic.start()

    async def close(self) -> None:
        """Stop watching."""
        await self._periodic.close()

    async def look(self) -> None:
        """Check once. If the list cannot be opened, the descriptors have run out."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        try:
            used = len(os.listdir(OPEN))  # noqa: PTH208  the fastest way
        except OSError:
            used = limit
        low = used >= LOW * limit
        self._metrics.descriptors_low.set(low)
        if low:
            self._outage.failed(used=used, limit=limit)
        else:
            self._outage.worked()
