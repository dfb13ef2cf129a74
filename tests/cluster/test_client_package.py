"""Clients of `@dorami/client` miss nothing, hear nothing twice or out of order, and tell the truth, whatever fails."""

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from gateway.dev.servers import PostgresProcess, RedisProcess
from tests.client.client import Client
from tests.cluster.faulty_cluster import FaultyCluster
from tests.cluster.package_clients import PackageClients, Tunnels, check_heard, package_clients
from tests.cluster.shop import PASSWORD, open_shop
from tests.support import server_folder
from tests.timing import until

SECONDS = float(os.environ.get("CLIENT_FAULT_SECONDS", "0"))  # of a run by hand: how long a fault lasts
FAULT = SECONDS or 2.0  # s
EVERY = 60  # ms between two messages of one person
HOUR = 3_600_000  # ms


class World:
    """Two nodes that may fail, people who talk in two rooms over either of them, and a product that changes."""

    def __init__(self, cluster: FaultyCluster, clients: PackageClients, tunnels: list[Tunnels]) -> None:
        self.cluster = cluster
        self.clients = clients
        self.tunnels = tunnels
        self.names: list[str] = []
        self.keys: list[str] = []
        self.product: dict[str, Any] = {}
        self._admin = ""
        self._changes = 0

    async def open(self) -> None:
        """Let everybody in: with and without connection state recovery, and a guest."""
        shop = self.cluster.shop
        self.keys = [await shop.stream(), await shop.stream()]
        self.product = await shop.product(self.keys[0], stock=1000)
        for number, recovers in enumerate((True, False, True, False)):
            person = await shop.person("ADMIN" if number == 0 else "USER")
            await self.enter(f"p{number}", number % 2, email=person.email, password=PASSWORD, recovers=recovers)
        await self.enter("guest", 1)
        self._admin = "p0"
        await self.clients.joined(*self.names)

    async def enter(self, name: str, tunnel: int, **who: Any) -> None:
        """Let somebody in by a tunnel."""
        self.names.append(name)
        self.clients.tell("open", name=name, url=self.tunnels[tunnel].url, keys=self.keys, **who)

    async def change(self) -> None:
        """Change the product over and over, as long as this runs."""
        while True:
            self._changes += 1
            body = {"sortOrder": self._changes}
            path = f"/products/{self.product['id']}"
            await self.clients.ask("call", name=self._admin, method="PATCH", path=path, body=body)
            await asyncio.sleep(0.1)

    async def check(self) -> None:
        """Wait until all is quiet, and compare what everybody heard and shows with what was stored."""
        clients = self.clients
        await clients.settled()
        await clients.joined(*self.names)
        assert clients.refused == []
        assert clients.trouble == []
        for key in self.keys:
            stored = clients.stored[key]
            for name in self.names:
                await until(partial(self._heard_up_to, name, key, max(stored.values())), what=name)
                check_heard(clients.received[name].messages[key], stored, name)
                room = (await clients.state(name))["rooms"][key]
                shown = room["shown"]
                assert shown == sorted(stored.values())[-len(shown) :], f"{name} shows something else than was stored"
                assert room["pending"] == 0
        version = await self._version()
        for name in self.names:
            await until(partial(self._shows, name, version), what=f"{name} shows the newest version of the product")
            await until(partial(self._counts, name), within=20, what=f"{name} knows how many watch")
            assert (await clients.state(name))["status"] == "connected"
        assert self.cluster.tracebacks() == []

    def _heard_up_to(self, name: str, key: str, seq: int) -> bool:
        messages = self.clients.received[name].messages[key]
        return bool(messages) and messages[-1][0] >= seq

    async def _version(self) -> int:
        node = next(number for number, node in enumerate(self.cluster.nodes) if node.running)
        path, token = f"/products/{self.product['id']}", (await self.cluster.shop.owner()).token
        product = await self.cluster.shop.request("GET", path, token=token, node=node, status={200})
        return int(product["version"])

    async def _shows(self, name: str, version: int) -> bool:
        room = (await self.clients.state(name))["rooms"][self.keys[0]]
        return bool(room["products"][self.product["id"]] == version)

    async def _counts(self, name: str) -> bool:
        room = (await self.clients.state(name))["rooms"][self.keys[0]]
        return bool(room["viewers"] == len(self.names))


@pytest.fixture(scope="module")
async def world(client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Everybody is in, with tokens of 12 s."""
    environment = {f"{name}_RATE_LIMIT": "100000/second" for name in ("CHAT", "EVENT", "JOIN")}
    environment |= {"JWT_EXPIRATION": "12s", "DRAIN_DELAY": "500ms", "DRAIN_SPREAD": "1s"}
    with (
        server_folder() as servers,
        PostgresProcess(servers / "postgres", durable=False) as postgres,
        RedisProcess(servers / "redis") as redis,
    ):
        folder = tmp_path_factory.mktemp("nodes")
        nodes = open_shop(client, folder, postgres.url, redis.url, size=2, each=(), **environment)
        async with nodes as shop, package_clients() as clients:
            cluster = FaultyCluster(shop, postgres, redis)
            for node in shop.nodes:
                node.keep_port()
            there, back = list(shop.urls), list(reversed(shop.urls))
            async with Tunnels(lambda: there) as one, Tunnels(lambda: back) as other:
                world = World(cluster, clients, [one, other])
                await world.open()
                yield world


async def cut_at_random(world: World) -> None:
    """Every connection is cut each 0.4 to 0.9 s."""
    for _ in range(round(FAULT / 0.3)):
        await asyncio.sleep(0.2 + random.random() * 0.2)
        for tunnel in world.tunnels:
            tunnel.cut(lambda: random.random() < 0.5)


async def restart(world: World, *nodes: int) -> None:
    """Stop nodes in good order at the same time, and start them again."""
    await asyncio.gather(*(world.cluster.restart_node(world.cluster.nodes[node]) for node in nodes))


async def sleep_for_an_hour(world: World) -> None:
    """The process of the clients is frozen, its connections are lost, and its clock is an hour later then."""
    world.clients.pause()
    for tunnel in world.tunnels:
        tunnel.cut()
    await asyncio.sleep(FAULT)
    world.clients.tell("clock", ms=HOUR)
    for name in world.names:
        world.clients.tell("wake", name=name)
    world.clients.resume()


Fault = Callable[[World], Awaitable[object]]

FAULTS: dict[str, Fault] = {
    "a node killed": lambda world: world.cluster.kill_node(world.cluster.nodes[0], FAULT),
    "Redis frozen": lambda world: world.cluster.freeze(world.cluster.redis.pid, FAULT),
    "PostgreSQL frozen": lambda world: world.cluster.freeze(world.cluster.postgres.pid, FAULT),
    "a node drained": lambda world: restart(world, 1),
    "both nodes restarted": lambda world: restart(world, 0, 1),
    "connections cut at random": cut_at_random,
    "an hour asleep": sleep_for_an_hour,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_is_missed(world: World, fault: str) -> None:
    talkers = [name for name in world.names if name != "guest"]
    world.clients.tell("talk", names=talkers, every=EVERY, run=secrets.token_hex(3))
    changes = asyncio.create_task(world.change())
    await asyncio.sleep(0.5)
    try:
        await FAULTS[fault](world)
        await asyncio.sleep(0.5)
    finally:
        world.clients.tell("quiet")
        changes.cancel()
    await world.check()
