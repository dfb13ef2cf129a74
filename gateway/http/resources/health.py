"""`/health`: liveness and readiness, for orchestrators and load balancers."""

from typing import Any

from gateway.http.routes import Call, Reply, Route
from gateway.protocol.payloads.health import Component, Live, Ready
from gateway.services.nodes.readiness import Readiness


class Health:
    """The health routes. They have no rate limit, and ask no server."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        return [
            Route("GET", "/health/live", self.live, answer=Live, limit=0),
            Route("GET", "/health/ready", self.ready, answer=Ready, limit=0, statuses=(503,)),
        ]

    async def live(self, _call: Call[Any, Any]) -> Live:
        """Answer 200 while the process runs; servers are not checked, because a restart would not bring them back."""
        return Live()

    async def ready(self, _call: Call[Any, Any]) -> Reply:
        """Answer 503 while the node starts or drains, or lacks something that other nodes may have."""
        info = {name: Component(status=status) for name, status in self._readiness.components().items()}
        error = {name: component for name, component in info.items() if component.status != "up"}
        answer = Ready(status=self._readiness.status, info=info, error=error)
        return Reply(answer, status=200 if self._readiness.ready else 503)
