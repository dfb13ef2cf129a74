"""Logs an outage of a server in two lines: one when it begins, one when it ends. Used by the clients of servers."""

import time
from typing import Any

import structlog

log = structlog.get_logger()

QUIET = 1.0  # s without a failure after which an outage is over; intermittent failures are one outage


class Outage:
    """The state of one server that may be unavailable. Its client reports every failure and every success."""

    def __init__(self, begins: str, ends: str, quiet: float = QUIET) -> None:
        self._begins = begins
        self._ends = ends
        self._quiet = quiet
        self._since: float | None = None
        self._latest = 0.0
        self._failures = 0

    def failed(self, **details: Any) -> None:
        """Report a failure; `details` are logged with the first one."""
        self._latest = time.monotonic()
        self._failures += 1
        if self._since is None:
            self._since = self._latest
            log.warning(self._begins, **details)

    def worked(self) -> None:
        """Report a success."""
        if self._since is None:
            return
        now = time.monotonic()
        if now - self._latest >= self._quiet:
            log.warning(self._ends, seconds=round(now - self._since, 1), failures=self._failures)
            self._since, self._failures = None, 0
