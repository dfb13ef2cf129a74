"""`/health`: whether the process lives, and whether to send it traffic. Asked by orchestrators and load balancers."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from gateway.http.routes import Call, Reply, Route
from gateway.protocol.health import Component, Live, Ready


class Readiness(Protocol):
    """What the node knows of itself."""

    @property
    def draining(self) -> bool:
        """Whether the process is on its way out."""
        ...

    async def check(self) -> Mapping[str, bool]:
        """Whether each thing the node needs (`database`, `redis`, …) answers, within a bound. Never raises."""
        ...


class Health:
    """The routes of health. They have no limit, so who asks while a check is under way shares it: a flood costs one."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._checking: asyncio.Task[Mapping[str, bool]] | None = None

    def routes(self) -> list[Route]:
        """The table."""
        return [
            Route("GET", "/health/live", self.live, answer=Live, limit=0),
            Route("GET", "/health/ready", self.ready, answer=Ready, limit=0),
        ]

    async def live(self, _call: Call[Any, Any]) -> Live:
        """The process answers; it says nothing of its servers, so that no restart is caused by their absence."""
        return Live()

    async def ready(self, _call: Call[Any, Any]) -> Reply:
        """503 while something is away or the process drains."""
        info = {name: Component(status="up" if up else "down") for name, up in (await self._check()).items()}
        error = {name: component for name, component in info.items() if component.status == "down"}
        draining = self._readiness.draining
        status = "draining" if draining else "error" if error else "ok"
        return Reply(Ready(status=status, info=info, error=error), status=200 if status == "ok" else 503)

    async def _check(self) -> Mapping[str, bool]:
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._readiness.check(), name="readiness")
        return await asyncio.shield(self._checking)
