"""The readiness of this node, and the drain when only this node is not ready. Built by the composition root."""

import asyncio

from gateway.concurrency.availability import worse
from gateway.concurrency.tasks import cancel
from gateway.concurrency.timeouts import wait_until
from gateway.parts.realtime import RealtimePart
from gateway.parts.servers import ServersPart
from gateway.protocol.payloads.health import ComponentStatus
from gateway.services.nodes.figures import Figures
from gateway.services.nodes.heartbeat import NodeHeartbeat
from gateway.services.nodes.readiness import Readiness


class HealthPart:
    """Computes `readiness`. A deaf node sends its clients to the others: it closes them one by one, as in a drain."""

    def __init__(self, servers: ServersPart, realtime: RealtimePart) -> None:
        self._servers = servers
        self._realtime = realtime
        self._open = False
        self._no_longer_deaf, self._resumed = asyncio.Event(), asyncio.Event()
        self._sending_away: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        availability, metrics = servers.availability, servers.metrics
        self.readiness = Readiness(
            open_=lambda: self._open and not self._heartbeat.drained,
            deaf=lambda: self._heartbeat.deaf,
            components={
                "database": lambda: servers.database_status,
                "redis": self._redis,
                "clock": lambda: "up" if servers.clocks.right else "down",
            },
        )
        self._heartbeat = NodeHeartbeat(
            servers.database,
            realtime.process_id,
            realtime.node_id,
            hearing=lambda: realtime.fanout.hearing.both(availability.hearing("redis")),
            status=lambda: self.readiness.status,
            connections=lambda: len(realtime.engine.connections),
            details=Figures(metrics, self.readiness).read,
            on_deaf=self._note_deaf,
            on_drained=self._note_drained,
        )
        metrics.ready.set_function(lambda: self.readiness.ready)
        metrics.deaf.set_function(lambda: self._heartbeat.deaf)
        metrics.without_redis.set_function(lambda: self.readiness.status == "degraded")
        metrics.redis_full.set_function(lambda: availability.status("redis") == "full")

    async def start(self) -> None:
        """Probe the servers, and get ready."""
        await self._servers.availability.start()
        self._heartbeat.start()
        self._realtime.server.refusing = False
        self._open = True

    async def drain(self) -> None:
        """Be no longer ready; open connections are still served."""
        self._open = False
        self._servers.metrics.draining.set(1)
        await cancel(self._sending_away, self._draining)

    async def close(self) -> None:
        """Stop probing."""
        await self.drain()
        await self._heartbeat.close()
        await self._servers.availability.close()

    def _redis(self) -> ComponentStatus:
        if self._heartbeat.deaf:
            return "down"
        return worse(self._servers.availability.status("redis"), self._realtime.fanout.status)

    def _note_deaf(self, deaf: bool) -> None:
        if not deaf:
            self._no_longer_deaf.set()
        elif self._sending_away is None or self._sending_away.done():
            self._no_longer_deaf = asyncio.Event()
            self._sending_away = asyncio.create_task(self._send_away(self._no_longer_deaf), name="send clients away")

    def _note_drained(self, drained: bool) -> None:
        if drained and self._open:
            self._resumed = asyncio.Event()
            self._draining = asyncio.create_task(self._send_away(self._resumed), name="drain")
        else:
            self._resumed.set()

    async def _send_away(self, over: asyncio.Event) -> None:
        """Close the clients' connections, and refuse new ones until `over` is set.

        First wait until balancers have noticed that this node is not ready: else the clients return to it.
        """
        server = self._realtime.server
        delay = self._servers.settings.drain_delay.total_seconds()
        await wait_until(asyncio.get_running_loop().time() + delay, over)
        await server.drain(self._servers.settings.drain_spread.total_seconds(), over)
        await over.wait()
        server.refusing = not self._open or self._heartbeat.drained or self._heartbeat.deaf
