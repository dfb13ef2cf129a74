"""Clients of `@dorami/client` during faults: all events once and in order, and a true status."""

import asyncio
import itertools
import os
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
import pytest
from dorami_client import Dorami, DoramiError, Session

from gateway.dev.servers import PostgresProcess, RedisProcess
from tests.client.client import Client
from tests.cluster.faulty_cluster import FaultyCluster
from tests.cluster.package_clients import PackageClients, Tunnels, check_received, package_clients
from tests.cluster.python_member import PythonMember
from tests.cluster.shop import PASSWORD, open_shop
from tests.support import server_folder
from tests.timing import grows, stays, until

SECONDS = float(os.environ.get("CLIENT_FAULT_SECONDS", "0"))  # of a run by hand: how long a fault lasts
FAULT = SECONDS or 1.5  # s
AWAY = 130.0 if SECONDS else 0.0  # s, more than the time in which a socket can be recovered
MANY = 2000 if SECONDS else 600  # messages, of which a join brings no more than 300
EVERY = 60  # ms between two messages of one person
HOUR = 3_600_000  # ms


class World:
    """Two nodes with faults, clients that talk in two rooms over both of them, and a product that changes."""

    def __init__(self, cluster: FaultyCluster, clients: PackageClients, tunnels: list[Tunnels]) -> None:
        self.cluster = cluster
        self.clients = clients
        self.tunnels = tunnels
        self.names: list[str] = []
        self.keys: list[str] = []
        self.product: dict[str, Any] = {}
        self.python: PythonMember
        self._changes = 0

    async def open(self) -> None:
        """Connect all clients: with and without connection state recovery, and a guest."""
        shop = self.cluster.shop
        self.keys = [await shop.stream(), await shop.stream()]
        self.product = await shop.product(self.keys[0], stock=1000)
        for number, recovers in enumerate((True, False, True, False)):
            person = await shop.person("ADMIN" if number == 0 else "USER")
            await self.enter(f"p{number}", number % 2, email=person.email, password=PASSWORD, recovers=recovers)
        await self.enter("guest", 1)
        await self.clients.joined(*self.names)
        for key in self.keys:
            await self.moderate("chat:allow-guests", liveId=key, allowed=True)
        person = await shop.person()
        self.python = PythonMember(self.tunnels[0].url, self.keys, self.clients.asked, self.clients.stored)
        await self.python.open(person.email, PASSWORD)

    async def moderate(self, event: str, **request: Any) -> None:
        """Have the administrator send a request on `/chat`."""
        answer = await self.clients.ask("ask", name="p0", namespace="/chat", event=event, request=request)
        assert "error" not in answer, answer

    async def enter(self, name: str, tunnel: int, **who: Any) -> None:
        """Let somebody in by a tunnel."""
        self.names.append(name)
        self.clients.tell("open", name=name, url=self.tunnels[tunnel].url, keys=self.keys, **who)

    async def more(self, run: str, count: int = 20) -> None:
        """Wait until `count` more messages of a run are stored."""
        names = self.clients.stored
        await grows(
            lambda: sum(name.startswith(run) for key in self.keys for name in names[key]),
            count,
            within=20,
            what="stored messages",
        )

    async def change(self, enough: asyncio.Event) -> None:
        """Change the product over and over. Returns when the last change is answered, after `enough` is set."""
        while not enough.is_set():
            self._changes += 1
            body = {"sortOrder": self._changes}
            path = f"/products/{self.product['id']}"
            await self.clients.ask("call", name="p0", method="PATCH", path=path, body=body)
            await asyncio.sleep(0.1)

    async def check(self) -> None:
        """Wait until all messages are answered; compare what each client received and shows with the stored rows."""
        clients = self.clients
        await clients.settled()
        await clients.joined(*self.names)
        assert clients.refused == []
        assert clients.trouble == []
        for key in self.keys:
            stored = clients.stored[key]
            for name in self.names:
                await until(partial(self._received_up_to, name, key, max(stored.values())), what=name)
                check_received(clients.received[name].messages[key], stored, name)
                room = (await clients.state(name))["rooms"][key]
                shown = room["shown"]
                assert shown == sorted(stored.values())[-len(shown) :], f"{name} shows something else than was stored"
                assert room["pending"] == 0
        version = await self._version()
        for name in self.names:
            try:
                await until(partial(self._shows, name, version), what=f"{name} shows version {version} of the product")
            except AssertionError as error:
                error.add_note(f"{name}: {await clients.state(name)}")
                raise
            await until(partial(self._counts, name), within=20, what=f"{name} knows how many watch")
            statuses = (status for status, _ in clients.received[name].statuses)  # again for each other reason
            first, second, *others = [status for status, _ in itertools.groupby(statuses)]
            assert [first, second] == ["connecting", "connected"]
            assert others == ["recovering", "connected"] * (len(others) // 2), others
        await self._check_python(version)
        assert self.cluster.tracebacks() == []

    async def _check_python(self, version: int) -> None:
        python = self.python
        for key in self.keys:
            stored = self.clients.stored[key]
            newest = max(stored.values())
            received = python.messages[key]
            await until(partial(lambda received, newest: received[-1][0] >= newest, received, newest), what="Python")
            check_received(python.messages[key], stored, "Python")
        await until(lambda: python.versions[self.product["id"]] == version, what="Python knows the newest version")
        await until(
            lambda: python.viewers[self.keys[0]] == len(self.names) + 1, within=20, what="Python knows how many watch"
        )
        first, second, *others = [status for status, _ in itertools.groupby(python.statuses)]
        assert [first, second] == ["connecting", "connected"]
        assert others == ["recovering", "connected"] * (len(others) // 2), others

    def _received_up_to(self, name: str, key: str, seq: int) -> bool:
        messages = self.clients.received[name].messages[key]
        return bool(messages) and messages[-1][0] >= seq

    async def _version(self) -> int:
        database = await asyncpg.connect(self.cluster.postgres.url)
        try:
            found = await database.fetchval("SELECT version FROM products WHERE id = $1", int(self.product["id"]))
        finally:
            await database.close()
        return int(found)

    async def _shows(self, name: str, version: int) -> bool:
        room = (await self.clients.state(name))["rooms"][self.keys[0]]
        return bool(room["products"][self.product["id"]] == version)

    async def _counts(self, name: str) -> bool:
        room = (await self.clients.state(name))["rooms"][self.keys[0]]
        return bool(room["viewers"] == len(self.names) + 1)


@pytest.fixture(scope="module")
async def world(client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Return a world in which all clients have joined, with tokens of 12 s."""
    environment = {f"{name}_RATE_LIMIT": "100000/second" for name in ("CHAT", "EVENT", "JOIN")}
    environment |= {"CHAT_DISPLAY_RATE": "0", "JWT_EXPIRATION": "12s", "DRAIN_DELAY": "500ms", "DRAIN_SPREAD": "1s"}
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
            async with Tunnels(shop.urls) as one, Tunnels(shop.urls[::-1]) as other:
                world = World(cluster, clients, [one, other])
                await world.open()
                yield world
                await world.python.close()


async def cut_at_random(world: World) -> None:
    """Cut half of the connections each 0.2 to 0.4 s."""
    for _ in range(round(FAULT / 0.3)):
        await asyncio.sleep(0.2 + random.random() * 0.2)  # between two faults
        for tunnel in world.tunnels:
            tunnel.cut(lambda: random.random() < 0.5)


async def restart(world: World, *nodes: int) -> None:
    """Stop nodes with SIGTERM at the same time, and start them again."""
    await asyncio.gather(*(world.cluster.restart_node(world.cluster.nodes[node]) for node in nodes))


async def sleep_for_an_hour(world: World) -> None:
    """Freeze the clients, cut their connections, and set their clock an hour ahead."""
    world.clients.pause()
    for tunnel in world.tunnels:
        tunnel.cut()
    await asyncio.sleep(FAULT)  # the length of the fault
    world.clients.tell("clock", ms=HOUR)
    for name in world.names:
        world.clients.tell("wake", name=name)
    world.clients.resume()


async def leave_the_network(world: World) -> None:
    """Let nothing through open connections; the application notices another network."""
    records = [world.clients.received[name] for name in world.names]
    before = [len(each.statuses) for each in records]
    for tunnel in world.tunnels:
        tunnel.silence()
    for name in world.names:
        world.clients.tell("wake", name=name)
    await world.python.dorami.wake()
    noticed = [("recovering", "NETWORK")] * len(records)
    await until(
        lambda: (
            [each.statuses[count] for each, count in zip(records, before, strict=True) if len(each.statuses) > count]
            == noticed
        ),
        within=8,  # after 4 of which a connection that does not answer is given up
        what="all have noticed",
    )
    for tunnel in world.tunnels:
        tunnel.reset()  # the remaining connections were kept for HTTP


Fault = Callable[[World], Awaitable[object]]

FAULTS: dict[str, Fault] = {
    "a node killed": lambda world: world.cluster.kill_node(world.cluster.nodes[0], FAULT),
    "Redis frozen": lambda world: world.cluster.freeze(world.cluster.redis.pid, FAULT),
    "PostgreSQL frozen": lambda world: world.cluster.freeze(world.cluster.postgres.pid, FAULT),
    "a node drained": lambda world: restart(world, 1),
    "both nodes restarted": lambda world: restart(world, 0, 1),
    "connections cut at random": cut_at_random,
    "the network left": leave_the_network,
    "an hour asleep": sleep_for_an_hour,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_is_missed(world: World, fault: str) -> None:
    """With tokens of 12 s, in two rooms at once, with and without connection state recovery, and for a guest."""
    run = secrets.token_hex(3)
    world.clients.tell("talk", names=world.names, every=EVERY, run=run)
    world.python.talk(run, EVERY / 1000)
    enough = asyncio.Event()
    changes = asyncio.create_task(world.change(enough))
    try:
        await world.more(run)
        await FAULTS[fault](world)
        await world.more(run)
    finally:
        enough.set()
        await asyncio.gather(world.clients.ask("quiet"), world.python.quiet(), changes)
    await world.check()


async def test_more_than_a_join_brings_is_read_page_by_page(world: World) -> None:
    """By hand 2,000 messages, and after more than two minutes, when the gateway recovers nobody."""
    away, *others = world.names
    world.clients.tell("close", name=away)
    await world.python.dorami.close()
    run, stored = secrets.token_hex(3), world.clients.stored[world.keys[0]]
    for name in others:
        world.clients.tell("flood", name=name, key=world.keys[0], run=run, count=MANY // len(others))
    await until(lambda: sum(name.startswith(run) for name in stored) == MANY, within=40, what="all is stored")
    await asyncio.sleep(AWAY)  # by hand: recovery is no longer possible
    world.clients.received[away].statuses.clear()
    world.clients.tell("connect", name=away)
    world.python.statuses.clear()
    await world.python.enter()
    await world.check()
    assert "gap" not in (await world.clients.state(away))["rooms"][world.keys[0]]
    assert world.python.dorami.chat(world.keys[0]).gap is None


async def test_a_ban_from_one_room_leaves_the_other(world: World) -> None:
    person = await world.cluster.shop.person()
    await world.enter("banned", 0, email=person.email, password=PASSWORD)
    world.names.remove("banned")
    await world.clients.joined("banned")
    await world.moderate("chat:ban-user", liveId=world.keys[0], userId=person.id)

    async def told() -> bool:
        state = await world.clients.state("banned")
        rooms = [state["rooms"][key] for key in world.keys]
        found = [(room["status"], room.get("error")) for room in rooms]
        return bool(state["status"] == "connected" and found == [("failed", "BANNED"), ("joined", None)])

    await until(told, what="the ban is told, and nothing else is lost")
    world.clients.tell("close", name="banned")


async def test_a_logout_everywhere_is_reported_once(world: World) -> None:
    person = await world.cluster.shop.person()
    for number in (0, 1):
        await world.enter(f"left{number}", number, email=person.email, password=PASSWORD)
        world.names.pop()
    await world.clients.joined("left0", "left1")
    await world.clients.ask("call", name="left0", method="POST", path="/auth/logout-all", body={})
    statuses = [world.clients.received[name].statuses for name in ("left0", "left1")]
    expected = [("connecting", None), ("connected", None), ("refused", "TOKEN_REVOKED")]
    await until(lambda: statuses == [expected] * 2, what="both clients are refused")
    await stays(lambda: statuses == [expected] * 2, seconds=0.3, what="one refusal")
    world.clients.tell("send", name="left1", key=world.keys[0], id="too late")
    await stays(lambda: world.clients.trouble == [], seconds=0.2)


async def test_the_python_client_says_when_it_is_refused(world: World) -> None:
    person = await world.cluster.shop.person()
    async with Session(world.tunnels[0].url) as session:
        with pytest.raises(DoramiError, match="AUTH_REQUIRED"):
            await Dorami(world.tunnels[0].url, session.token).connect()
        await session.login(person.email, PASSWORD)
        async with Dorami(world.tunnels[0].url, session.token, namespaces=["/chat"]) as dorami:
            statuses: list[tuple[str, str | None]] = []
            dorami.on_status(lambda status, error: statuses.append((status, error.code if error else None)))
            chat = dorami.chat(world.keys[0])
            await chat.join()
            with pytest.raises(DoramiError, match="MESSAGE_TOO_LONG") as refused:
                await chat.send("x" * 501)
            assert not refused.value.retryable
            await world.moderate("chat:mute-user", liveId=world.keys[0], userId=person.id, seconds=60)
            with pytest.raises(DoramiError, match="MUTED"):
                await chat.send("hello")
            await session.call("POST", "/auth/logout-all", {})
            await until(lambda: statuses == [("refused", "TOKEN_REVOKED")], what="the refusal")
            with pytest.raises(DoramiError, match="OFFLINE"):
                await dorami.ask("/chat", "chat:history", {"liveId": world.keys[0], "limit": 1})
