"""Whether this node should get traffic, and what happens when it alone should not. Built by the composition root."""

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
    """`readiness` answers who asks. A deaf node hands its clients over: they are closed one by one, as in a drain."""

    def __init__(self, servers: ServersPart, realtime: RealtimePart) -> None:
        self._servers = servers
        self._realtime = realtime
        self._open = False
        self._hears_again, self._resumed = asyncio.Event(), asyncio.Event()
        self._handing_over: asyncio.Task[None] | None = None
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
        """Probe the servers, and be ready."""
        await self._servers.availability.start()
        self._heartbeat.start()
        self._realtime.server.refusing = False
        self._open = True

    async def drain(self) -> None:
        """Be ready no more; open connections are served on."""
        self._open = False
        self._servers.metrics.draining.set(1)
        await cancel(self._handing_over)
        await cancel(self._draining)

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
            self._hears_again.set()
        elif self._handing_over is None or self._handing_over.done():
            self._hears_again = asyncio.Event()
            self._handing_over = asyncio.create_task(self._hand_over(self._hears_again), name="hand over")

    def _note_drained(self, drained: bool) -> None:
        if drained and self._open:
            self._resumed = asyncio.Event()
            self._draining = asyncio.create_task(self._hand_over(self._resumed), name="drain")
        else:
            self._resumed.set()

    async def _hand_over(self, over: asyncio.Event) -> None:
        """Send the clients to the other nodes, and admit none until the reason is over.

        Not before balancers have noticed that this node is not ready, as in a drain: else the clients come back to it.
        """
        server = self._realtime.server
        delay = self._servers.settings.drain_delay.total_seconds()
        await wait_until(asyncio.get_running_loop().time() + delay, over)
        await server.drain(self._servers.settings.drain_spread.total_seconds(), over)
        await over.wait()
        server.refusing = not self._open or self._heartbeat.drained or self._heartbeat.deaf
