"""Decides whether a node should get traffic: for `/health/ready`, the metric, and other nodes."""

from collections.abc import Callable, Mapping

from gateway.protocol.payloads.health import ComponentStatus, ReadyStatus

REQUIRED = ("database", "clock")  # a node is not ready without these


class Readiness:
    """Combines the states of a node and of its servers. It does not wait for a server."""

    def __init__(
        self,
        *,
        open_: Callable[[], bool],
        deaf: Callable[[], bool],
        components: Mapping[str, Callable[[], ComponentStatus]],
    ) -> None:
        """Args:
        open_: Whether the node has started and does not drain.
        deaf: Whether other nodes reach Redis and this one does not.
        components: Return the status of each component that the node needs: `database`, `redis`, `clock`.
        """
        self._open = open_
        self._deaf = deaf
        self._components = components

    def components(self) -> dict[str, ComponentStatus]:
        """Return the status of each component."""
        return {name: status() for name, status in self._components.items()}

    @property
    def status(self) -> ReadyStatus:
        """The status of the node. `ok` and `degraded` are ready.

        A node stays ready if Redis is full, or away for all nodes: otherwise no node would be ready, although they can
        serve the requests that only need PostgreSQL.
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
