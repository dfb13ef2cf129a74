"""The official client with its default options comes back by itself, whatever was away: nobody has to reload a page."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any

import aiohttp
import pytest

from gateway.realtime.engineio.connection import Connection
from tests.client.client import TRANSPORTS, Client, Transport
from tests.client.socket import ClientSocket
from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.faulty_cluster import FaultyCluster, balancer
from tests.cluster.ledger import LONG
from tests.cluster.shop import Person
from tests.integration.engineio_echo import echo_server
from tests.support import Node
from tests.timing import until

NAMESPACES = ("/", "/chat", "/streaming")
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
CLIENTS = 30
OUTAGE = 10.0 if LONG else 5.0  # s
BACK = 15.0  # s that everybody may take to be back when it is over

Fault = Callable[[FaultyCluster], Awaitable[object]]

OUTAGES: dict[str, Fault] = {
    "PostgreSQL frozen": lambda cluster: cluster.freeze(cluster.postgres.pid, OUTAGE),
    "PostgreSQL killed": lambda cluster: cluster.kill_server(cluster.postgres, OUTAGE),
    "Redis frozen": lambda cluster: cluster.freeze(cluster.redis.pid, OUTAGE),
    "Redis killed": lambda cluster: cluster.kill_server(cluster.redis, OUTAGE),
}


class Ready:
    """What a balancer knows: which nodes are ready, by asking them."""

    def __init__(self, cluster: FaultyCluster) -> None:
        self._nodes = list(cluster.nodes)

    def where(self) -> str:
        """Return a node that is ready."""
        return random.choice(self._nodes).url

    async def leaves(self, node: Node) -> None:
        """Wait until a node says that it is no longer ready, and send no client there."""
        async with aiohttp.ClientSession() as http:

            async def unready() -> bool:
                async with http.get(f"{node.url}/api/v1/health/ready") as response:
                    return response.status == 503

            await until(unready)
            async with http.get(f"{node.url}{HANDSHAKE}") as response:
                assert response.status == 200, "it still admits"
        self._nodes.remove(node)

    def comes(self, node: Node) -> None:
        """Wait until the node is ready again."""
        self._nodes.append(node)


class Moderators:
    """Stock clients in the three namespaces and over all transports, and what became of each."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._people = 0
        self.sockets: list[ClientSocket] = []
        self.up: set[str] = set()
        self.refused: list[dict[str, Any]] = []  # connect_errors after which the library gives up

    def arrive(self, url: str, people: list[Person], transports: Sequence[Transport] = TRANSPORTS) -> None:
        """Somebody begins to connect, each with a client of their own."""
        for person in people:
            number = self._people = self._people + 1
            transport = transports[number // 3 % len(transports)]
            how: dict[str, Any] = {"token": person.token, "transport": transport, "reconnection": True}
            socket = self._client.open(url, NAMESPACES[number % 3], **how)
            sockets = [socket]
            if number % 2:  # half of them are in two namespaces on one connection
                sockets.append(self._client.open(url, NAMESPACES[number % 3 - 1], beside=socket, **how))
            for each in sockets:
                each.listener = partial(self._heard, each.name)
            self.sockets += sockets

    def leave(self, count: int) -> None:
        """So many lose their connection without a word."""
        for socket in random.sample(self.sockets, count):
            self._client.tell("drop", name=socket.name)

    async def everybody(self, within: float) -> float:
        """Wait until all are connected; how many s it took."""
        begun = monotonic()
        await until(lambda: len(self.up) == len(self.sockets), within=within, what="everybody is back")
        assert self.refused == []
        return monotonic() - begun

    def _heard(self, name: str, line: dict[str, Any]) -> None:
        match line.get("lifecycle"):
            case "connect":
                self.up.add(name)
            case "disconnect":
                self.up.discard(name)
                if line["reason"] == "io server disconnect":
                    self.refused.append(line)
            case "connect_error" if line["data"] is not None:
                self.refused.append(line)


@pytest.mark.parametrize("outage", OUTAGES)
async def test_everybody_is_back_after_an_outage(
    open_faulty_cluster: OpenFaultyCluster, client: Client, outage: str
) -> None:
    """Some lose their connection during that, some connect for the first time."""
    async with open_faulty_cluster() as cluster:
        clients, people = Moderators(client), await cluster.shop.clients(CLIENTS)
        for number, url in enumerate(cluster.shop.urls):
            clients.arrive(url, people[number::4])
        await clients.everybody(within=BACK)
        fault = asyncio.ensure_future(OUTAGES[outage](cluster))
        await asyncio.sleep(0.5)  # at any moment of the outage
        clients.leave(len(clients.sockets) // 2)
        for number, url in enumerate(cluster.shop.urls):
            clients.arrive(url, people[number + 2 :: 4])
        await fault
        took = await clients.everybody(within=BACK)
        print(f"{outage} for {OUTAGE:g} s: all {len(clients.sockets)} are back after {took:.1f} s")
        assert cluster.tracebacks() == []


async def test_a_client_refused_during_an_upgrade_reconnects(client: Client) -> None:
    """At any moment between the handshake and the change to a websocket."""
    turned_away = 0

    async def turn_away(connection: Connection, text: str) -> None:
        nonlocal turned_away
        if turned_away < 10 * CLIENTS:
            turned_away += 1
            asyncio.get_running_loop().call_later(random.uniform(0, 0.02), connection.close, "unavailable")
        elif text.startswith("0"):
            connection.send('0{"sid":"s"}')

    async with echo_server() as echo:
        echo.handling = turn_away
        quick: dict[str, Any] = {"reconnection": True, "reconnectionDelay": 5, "reconnectionDelayMax": 50}
        sockets = [client.open(echo.url, transport="upgrade", **quick) for _ in range(CLIENTS)]
        for socket in sockets:
            await socket.expect_life("connect", within=2 * BACK)
    client.forget_all()


async def test_all_clients_connect_to_a_slowly_starting_node(
    open_faulty_cluster: OpenFaultyCluster, client: Client
) -> None:
    """It listens, and Redis is not there yet."""
    async with open_faulty_cluster(1) as cluster:
        node, people = cluster.nodes[0], await cluster.shop.clients(CLIENTS)
        clients = Moderators(client)
        async with balancer(lambda: node.url) as url:
            clients.arrive(url, people[: CLIENTS // 2])
            await clients.everybody(within=BACK)
            await node.kill()
            cluster.redis.kill()
            starting = asyncio.ensure_future(node.start())
            clients.arrive(url, people[CLIENTS // 2 :])
            await asyncio.sleep(OUTAGE)  # the length of the fault
            await starting
            async with aiohttp.ClientSession() as http, http.get(f"{node.url}{HANDSHAKE}") as response:
                assert response.status == 503
            await asyncio.to_thread(cluster.redis.start)
            took = await clients.everybody(within=BACK)
            print(f"all {len(clients.sockets)} are in a node that started slowly after {took:.1f} s")
            assert cluster.tracebacks() == []


async def talk_on(talker: ClientSocket, key: str) -> list[str]:
    """Say something thirty times a second until the connection ends; the ids of what was acked.

    Only what was on its way when the connection ended has no answer.
    """
    acked = []
    while not talker.lifecycle:
        try:
            ack = await talker.ask("chat:send-message", {"liveId": key, "message": "still here"}, within=2)
        except AssertionError:
            assert talker.lifecycle, "a node that drains answers"
            break
        assert ack["ok"], ack
        acked.append(ack["data"]["id"])
        await asyncio.sleep(0.03)
    assert acked
    return acked


async def test_no_client_is_lost_during_a_roll(open_faulty_cluster: OpenFaultyCluster, client: Client) -> None:
    """What was acked is there, and a node that drains answers what its clients ask until they go."""
    async with open_faulty_cluster(DRAIN_DELAY="1s", DRAIN_SPREAD="2s") as cluster:
        key = await cluster.shop.stream()
        talkers = [await cluster.shop.chatter(key, node=node) for node in (0, 1)]
        clients, people = Moderators(client), await cluster.shop.clients(CLIENTS)
        ready = Ready(cluster)
        async with balancer(ready.where) as url:  # which keeps nobody on a node, as polling would need it
            clients.arrive(url, people, ["websocket"])
            await clients.everybody(within=BACK)
            acked: list[str] = []
            for node, talker in zip(cluster.nodes, talkers, strict=True):
                stopping = asyncio.ensure_future(node.stop(signal.SIGTERM))
                await ready.leaves(node)
                acked += await talk_on(talker, key)
                assert await stopping == 0
                await clients.everybody(within=BACK)
                await node.start()
                ready.comes(node)
            reader = await cluster.shop.connect(await cluster.shop.person(), "/chat")
            page = (await reader.call("chat:join-room", {"liveId": key}))["history"]
            stored = {message["id"] for message in page}
            while page:
                ask = {"liveId": key, "before": page[0]["id"], "limit": 100}
                page = (await reader.call("chat:history", ask))["messages"]
                stored |= {message["id"] for message in page}
            assert set(acked) <= stored
        assert cluster.tracebacks() == []
