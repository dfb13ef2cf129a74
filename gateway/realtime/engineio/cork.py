"""Joins the packets of one tick of the event loop into one write per transport. Shared by all transports."""

import asyncio
from typing import Protocol

import structlog

log = structlog.get_logger()


class Corked(Protocol):
    """A transport with packets to write."""

    def flush(self) -> None:
        """Write the packets that are queued."""


class Cork:
    """Flushes transports at the end of the tick in which they first had something to write."""

    def __init__(self) -> None:
        self._waiting: list[Corked] = []

    def add(self, transport: Corked) -> None:
        """Flush a transport at the end of this tick. Call it at most once per tick and transport."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._pop)
        self._waiting.append(transport)

    def _pop(self) -> None:
        waiting, self._waiting = self._waiting, []
        for transport in waiting:
            try:
                transport.flush()
            except Exception:  # the other transports must still be flushed
                log.exception("transport flush failed")
