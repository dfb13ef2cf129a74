"""Joins the packets of one tick of the event loop into one write for each transport. Shared by all transports."""

import asyncio
from typing import Protocol

import structlog

log = structlog.get_logger()


class Corked(Protocol):
    """A transport with something to write."""

    def flush(self) -> None:
        """Write what has gathered."""


class Cork:
    """The transports that have something to write at the end of this tick."""

    def __init__(self) -> None:
        self._waiting: list[Corked] = []

    def add(self, transport: Corked) -> None:
        """Flush a transport at the end of this tick. To be called once a tick."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._pop)
        self._waiting.append(transport)

    def _pop(self) -> None:
        waiting, self._waiting = self._waiting, []
        for transport in waiting:
            try:
                transport.flush()
            except Exception:  # the other transports are flushed all the same
                log.exception("a transport could not be flushed")
