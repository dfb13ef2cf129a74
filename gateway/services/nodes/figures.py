"""The figures of a node for its heartbeat: memory, load, and the state of its servers."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.metrics import Metrics
from gateway.services.nodes.readiness import Readiness

STATM: Final = Path("/proc/self/statm")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Figures:
    """Reads figures. Rates are averages since the previous call."""

    def __init__(self, metrics: Metrics, readiness: Readiness) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._before = (time.monotonic(), 0, 0)

    def read(self) -> Mapping[str, Any]:
        """Return the fields of `NodeDetails` by their names on the wire. Does not wait for a server."""
        moment, events, deliveries = time.monotonic(), self._metrics.events.count, self._metrics.delivered.value
        earlier, events_before, deliveries_before = self._before
        self._before = moment, events, deliveries
        seconds = max(moment - earlier, 0.001)
        return {
            "memory": int(STATM.read_text().split()[1]) * PAGE if STATM.exists() else None,
            "components": self._readiness.components(),
            "eventsPerSecond": round((events - events_before) / seconds, 1),
            "deliveriesPerSecond": round((deliveries - deliveries_before) / seconds, 1),
        }
