"""Whether this node should get traffic, and what happens when it alone should not. Built by the composition root."""

import asyncio

import structlog

from gateway.concurrency.availability import worse
from gateway.concurrency.tasks import cancel
from gateway.concurrency.timeouts import wait_until
from gateway.parts.realtime import RealtimePart
from gateway.parts.servers import ServersPart
from gateway.protocol.health import ComponentStatus
from gateway.services.nodes.heartbeat import NodeHeartbeat
from gateway.services.nodes.readiness import Readiness

log = structlog.get_logger()


class HealthPart:
    """`readiness` answers who asks. A deaf node hands its clients over: they are closed one by one, as in a drain."""

    def __init__(self, servers: ServersPart, realtime: RealtimePart) -> None:
        self._servers = servers
        self._realtime = realtime
        self._open = False
        self._hears_again = asyncio.Event()
        self._handing_over: asyncio.Task[None] | None = None
        availability, metrics = servers.availability, servers.metrics
        self.readiness = Readiness(
            open_=lambda: self._open,
            deaf=lambda: self._heartbeat.deaf,
            components={
                "database": lambda: servers.database_status,
                "redis": self._redis,
                "clock": lambda: "up" if servers.clocks.right else "down",
            },
        )
        self._heartbeat = NodeHeartbeat(
            servers.database,
            realtime.node_id,
            hearing=lambda: realtime.fanout.hearing.both(availability.hearing("redis")),
            status=lambda: self.readiness.status,
            connections=lambda: len(realtime.engine.connections),
            on_change=self._note,
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

    async def close(self) -> None:
        """Stop probing."""
        await self.drain()
        await self._heartbeat.close()
        await self._servers.availability.close()

    def _redis(self) -> ComponentStatus:
        if self._heartbeat.deaf:
            return "down"
        return worse(self._servers.availability.status("redis"), self._realtime.fanout.status)

    def _note(self, deaf: bool) -> None:
        if not deaf:
            self._hears_again.set()
        elif self._handing_over is None or self._handing_over.done():
            self._hears_again = asyncio.Event()
            self._handing_over = asyncio.create_task(self._hand_over(self._hears_again), name="hand over")

    async def _hand_over(self, hears_again: asyncio.Event) -> None:
        """Send the clients to the nodes that hear, and admit none until this node hears again.

        Not before balancers have noticed that this node is not ready, as in a drain: else the clients come back to it.
        """
        server = self._realtime.server
        delay = self._servers.settings.drain_delay.total_seconds()
        await wait_until(asyncio.get_running_loop().time() + delay, hears_again)
        await server.drain(self._servers.settings.drain_spread.total_seconds(), hears_again)
        await hears_again.wait()
        server.refusing = not self._open
