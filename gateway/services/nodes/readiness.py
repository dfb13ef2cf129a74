"""Whether a node should get traffic: what `/health/ready` answers, its metric shows, and other nodes read."""

from collections.abc import Callable, Mapping

from gateway.protocol.payloads.health import ComponentStatus, ReadyStatus

REQUIRED = ("database", "clock")  # without these a node serves nothing


class Readiness:
    """What a node knows of itself and of its servers. Nothing here asks a server."""

    def __init__(
        self,
        *,
        open_: Callable[[], bool],
        deaf: Callable[[], bool],
        components: Mapping[str, Callable[[], ComponentStatus]],
    ) -> None:
        """Args:
        open_: Whether the node has started and does not drain.
        deaf: Whether other nodes hear Redis and this one does not.
        components: How each thing that the node needs is: `database`, `redis`, `clock`.
        """
        self._open = open_
        self._deaf = deaf
        self._components = components

    def components(self) -> dict[str, ComponentStatus]:
        """Return how everything is that the node needs."""
        return {name: status() for name, status in self._components.items()}

    @property
    def status(self) -> ReadyStatus:
        """What all this means: `ok` and `degraded` are ready.

        Redis away for all nodes, or full, is no reason to be taken out of service: no node would be left, and what
        needs PostgreSQL alone is served.
        """
        components = self.components()
        if not self._open():
            return "draining"
        if self._deaf() or any(components[name] != "up" for name in REQUIRED):
            return "error"
        return "ok" if set(components.values()) == {"up"} else "degraded"

    @property
    def ready(self) -> bool:
        """Whether the node should get traffic."""
        return self.status in ("ok", "degraded")
