"""Nodes, PostgreSQL and Redis of a test's own, faults for them, and a balancer. Used by the ledger's tests."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic

import psutil
import redis.asyncio

from gateway.dev.server_process import ServerProcess
from gateway.dev.servers import PostgresProcess, RedisProcess
from tests.cluster.shop import Shop
from tests.proxy import Pumps
from tests.support import Node


class FaultyCluster:
    """Nodes and servers with the faults that tests inject; each fault can be undone."""

    def __init__(self, shop: Shop, postgres: PostgresProcess, redis_server: RedisProcess) -> None:
        self.shop = shop
        self.nodes = shop.nodes
        self.postgres = postgres
        self.redis = redis_server

    def somewhere(self) -> str:
        """Return the URL of a running node, of any node if none runs."""
        running = [node for node in self.nodes if node.running]
        return random.choice(running or self.nodes).url

    async def kill_node(self, node: Node, away: float) -> None:
        """End a node as a crash does; start it again after `away` s."""
        await node.kill()
        await asyncio.sleep(away)  # the length of the fault
        await node.start()

    async def stop_node(self, node: Node) -> float:
        """Stop a node with SIGTERM; return the seconds until its end. Its exit code must be 0."""
        begun = monotonic()
        code = await node.stop(signal.SIGTERM)
        assert code == 0
        return monotonic() - begun

    async def restart_node(self, node: Node) -> float:
        """Stop a node with SIGTERM and start it again; return the seconds until its end."""
        took = await self.stop_node(node)
        await node.start()
        return took

    async def kill_server(self, server: ServerProcess, away: float) -> None:
        """End PostgreSQL or Redis as a crash does; start it again after `away` s."""
        server.kill()
        await asyncio.sleep(away)  # the length of the fault
        await asyncio.to_thread(server.start)

    async def freeze(self, process_id: int, seconds: float) -> None:
        """Stop a process and its children by SIGSTOP for a while: connections stay open and nothing answers."""
        family = [psutil.Process(process_id)]
        family += family[0].children(recursive=True)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        try:
            await asyncio.sleep(seconds)  # the length of the fault
        finally:
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    async def cut_redis(self, times: int, pause: float) -> None:
        """Close all connections of Redis, subscriptions and others in turn, some times."""
        killer = redis.asyncio.Redis.from_url(self.redis.url)
        try:
            for number in range(times):
                await killer.client_kill_filter(_type=("pubsub", "normal")[number % 2], skipme=True)
                await asyncio.sleep(pause)  # between two faults
        finally:
            await killer.aclose()

    def tracebacks(self) -> list[str]:
        """Return the log lines of all nodes that report a mistake in the code."""
        words = ("Traceback", "was never", "was destroyed", "[critical")
        return [line for line in self.log_lines() if any(word in line for word in words)]

    def log_lines(self) -> list[str]:
        """Return the log lines of all nodes."""
        return [line for node in self.nodes for line in node.logs.splitlines()]


@asynccontextmanager
async def balancer(where: Callable[[], str]) -> AsyncIterator[str]:
    """One address for all nodes: a connection goes to one that takes it. Its URL."""
    pumps = Pumps()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = where().removeprefix("http://").partition(":")
        try:
            node = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        pumps.join((reader, writer), node)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await pumps.close()
