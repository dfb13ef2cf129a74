"""How a node accepts TCP connections: the interface, and the listener of a node that has the port for itself."""

from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from gateway.http.connection import connections
from gateway.metrics import Metrics
from gateway.process import listen_addresses
from gateway.realtime.engineio.server import EngineServer
from gateway.settings import Settings

if TYPE_CHECKING:
    import asyncio


class Listener(Protocol):
    """A node calls `open` when HTTP is set up, `serve` when its servers are open, and `close` before HTTP ends."""

    sid_prefix: str  # of the ids of this process's sessions

    @property
    def url(self) -> str:
        """The address on this machine, while it is open."""

    @property
    def others(self) -> bool:
        """Whether other processes continue to accept connections from the same sockets when this one ends."""

    async def open(self, engine: EngineServer, http: web.Server, metrics: web.AppRunner) -> None:
        """Prepare to serve connections. Raises OSError."""

    async def serve(self) -> None:
        """Accept connections, unless it already does."""

    async def finish_requests(self) -> None:
        """Wait, for a limited time, until the requests that have begun are answered."""

    def retire(self) -> None:
        """Accept no further connections, and pass idle ones to the other processes."""

    def close(self) -> None:
        """Serve no further connections: HTTP ends."""

    async def scrape(self, metrics: Metrics) -> bytes:
        """Return the text of `/metrics`."""


class OwnListener:
    """The listener of a single node. Until its servers are open it accepts connections and refuses requests."""

    sid_prefix = ""
    others = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """See Listener."""
        if self._server is None:
            raise RuntimeError("the node is not open")
        return listen_addresses.url_of(self._server.sockets[0], self._settings.host)

    async def open(self, engine: EngineServer, http: web.Server, metrics: web.AppRunner) -> None:
        """See Listener."""
        settings = self._settings
        factory = engine.protocol_factory(connections(http, keepalive=settings.keepalive_timeout.total_seconds()))
        self._server = await listen_addresses.listen(factory, settings.host, settings.port)
        if settings.metrics_port is not None:
            await metrics.setup()
            await listen_addresses.site(metrics, settings.host, settings.metrics_port).start()

    async def serve(self) -> None:
        """See Listener."""

    async def finish_requests(self) -> None:
        """See Listener."""

    def retire(self) -> None:
        """See Listener."""

    def close(self) -> None:
        """See Listener."""
        if self._server is not None:
            self._server.close()
            listen_addresses.forget(self._settings.host)

    async def scrape(self, metrics: Metrics) -> bytes:
        """See Listener."""
        return metrics.render()
