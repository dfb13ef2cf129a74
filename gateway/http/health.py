"""`/health`: liveness and readiness, for orchestrators and load balancers."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from gateway.http.routes import Call, Reply, Route
from gateway.protocol.health import Component, Live, Ready


class Readiness(Protocol):
    """The state of the node."""

    @property
    def draining(self) -> bool:
        """Whether the node drains."""
        ...

    async def check(self) -> Mapping[str, bool]:
        """Return for each server that the node needs (`database`, `redis`, …) whether it answers in time.

        Never raises.
        """
        ...


class Health:
    """The health routes. They have no rate limit, so concurrent requests share one check."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._checking: asyncio.Task[Mapping[str, bool]] | None = None

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        return [
            Route("GET", "/health/live", self.live, answer=Live, limit=0),
            Route("GET", "/health/ready", self.ready, answer=Ready, limit=0),
        ]

    async def live(self, _call: Call[Any, Any]) -> Live:
        """Answer 200 while the process runs; servers are not checked, because a restart would not bring them back."""
        return Live()

    async def ready(self, _call: Call[Any, Any]) -> Reply:
        """Answer 200 if all servers answer, 503 if one does not or the node drains."""
        info = {name: Component(status="up" if up else "down") for name, up in (await self._check()).items()}
        error = {name: component for name, component in info.items() if component.status == "down"}
        draining = self._readiness.draining
        status = "draining" if draining else "error" if error else "ok"
        return Reply(Ready(status=status, info=info, error=error), status=200 if status == "ok" else 503)

    async def _check(self) -> Mapping[str, bool]:
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._readiness.check(), name="readiness")
        return await asyncio.shield(self._checking)
