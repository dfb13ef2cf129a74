"""Both nodes are replaced, one after the other, behind HAProxy or nginx: what stock clients notice of it.

With `LEDGER_SECONDS=60` there are 300 clients: the figures of `docs/decisions/0031-drain-in-steps.md`.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from subprocess import run
from time import monotonic
from typing import Any

import pytest

from tests.client.client import Client, Transport
from tests.cluster import haproxy, nginx
from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.ledger import LONG
from tests.cluster.shop import Person
from tests.programs import program
from tests.support import Node
from tests.timing import until

CLIENTS, TALKERS, RATE = (300, 10, 30.0) if LONG else (40, 5, 15.0)
DRAIN = {"DRAIN_DELAY": "3s", "DRAIN_SPREAD": "10s" if LONG else "3s"}
TRANSPORTS: tuple[Transport, ...] = ("websocket", "upgrade", "websocket", "polling")
Balancer = Callable[[Sequence[Node], Path], AbstractAsyncContextManager[str]]
STOP = 30.0  # s that an orchestrator waits


class Member:
    """A stock client that watches a chat room, and perhaps talks."""

    def __init__(self, client: Client, url: str, person: Person, key: str, transport: Transport) -> None:
        self.key = key
        self.up = False
        self.joined = asyncio.Event()
        self.errors: list[dict[str, Any]] = []  # handshakes that failed
        self.outages: list[tuple[float, float]] = []  # when it was cut off, and for how long
        self.lost = 0  # how often it was not recovered
        self.received: list[int] = []
        self.acked: list[int] = []
        self.unanswered = 0
        self._cut = 0.0
        self._client = client
        self.socket = client.open(url, "/chat", token=person.token, reconnection=True, transport=transport)
        self.socket.listener = self._heard

    def _heard(self, line: dict[str, Any]) -> None:
        match line.get("event") or line.get("lifecycle"):
            case "chat:message":
                self.received.append(line["args"][0]["data"]["seq"])
            case "connect":
                self.up = True
                if self._cut:
                    self.outages.append((self._cut, monotonic() - self._cut))
                    self.lost += not line["recovered"]
            case "disconnect":
                self.up, self._cut = False, monotonic()
            case "connect_error":
                self.errors.append(line)

    async def join(self) -> None:
        """Join the room."""
        await until(lambda: self.up, within=15)
        await self.socket.call("chat:join-room", {"liveId": self.key})

    async def send_messages(self, rate: float) -> None:
        """Send `rate` messages a second while it is connected."""
        while True:
            await asyncio.sleep(1 / rate)
            if not self.up:
                continue
            cut = self._cut
            try:
                ack = await self.socket.ask("chat:send-message", {"liveId": self.key, "message": "x"}, within=2)
            except AssertionError:
                self.unanswered += cut == self._cut  # otherwise the connection ended before the ack
                continue
            assert ack["ok"], ack
            self.acked.append(ack["data"]["seq"])


def test_the_configuration_of_nginx_is_valid(tmp_path: Path) -> None:
    nodes = [Node(tmp_path) for _ in range(2)]
    for number, node in enumerate(nodes):
        node._url = f"http://127.0.0.1:{40_000 + number}"
    config = tmp_path / "nginx.conf"
    config.write_text(nginx.configuration(nodes, 40_010, tmp_path))
    checked = run(
        [program("nginx", package="nginx-light"), "-t", "-c", str(config)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr


def test_the_configuration_of_haproxy_is_valid(tmp_path: Path) -> None:
    nodes = [Node(tmp_path) for _ in range(2)]
    for number, node in enumerate(nodes):
        node._url = f"http://127.0.0.1:{40_000 + number}"
    config = tmp_path / "haproxy.cfg"
    config.write_text(haproxy.configuration(nodes, 40_010))
    checked = run([program("haproxy"), "-c", "-f", str(config)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


@pytest.mark.timeout(120)
@pytest.mark.parametrize("balancer", [haproxy.haproxy, nginx.nginx], ids=["haproxy", "nginx"])
async def test_replacing_both_nodes_is_invisible_to_clients(
    balancer: Balancer, open_faulty_cluster: OpenFaultyCluster, client: Client, tmp_path: Path
) -> None:
    async with open_faulty_cluster(**DRAIN, TRUSTED_PROXIES="127.0.0.1") as cluster:
        key = await cluster.shop.stream()
        for node in cluster.nodes:
            node.keep_port()
        async with balancer(cluster.nodes, tmp_path) as url:
            members = [
                Member(client, url, person, key, TRANSPORTS[number % len(TRANSPORTS)])
                for number, person in enumerate(await cluster.shop.clients(CLIENTS))
            ]
            await asyncio.gather(*(member.join() for member in members))
            talks = [asyncio.create_task(member.send_messages(RATE / TALKERS)) for member in members[:TALKERS]]
            for node in cluster.nodes:
                begun = monotonic()
                assert await node.stop(signal.SIGTERM) == 0
                took = monotonic() - begun
                assert took < STOP
                await until(lambda: all(member.up for member in members), within=15, what="everybody is back")
                print(f"a node ended after {took:.1f} s")
                await node.start()
                await asyncio.sleep(3)  # balancers look every second or two, and use the node again after that
            for send_messages in talks:
                send_messages.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
            await figures(members)
        assert cluster.tracebacks() == []


def out_of_order(seqs: list[int]) -> list[tuple[int, int]]:
    """Return the neighbours of which the second is not later than the first."""
    return [(one, other) for one, other in pairwise(seqs) if other <= one]


async def figures(members: list[Member]) -> None:
    """Check what was noticed, and print it."""
    acked = {seq for member in members for seq in member.acked}
    outages = sorted((cut, seconds) for member in members for cut, seconds in member.outages)
    seconds = sorted(seconds for _, seconds in outages)
    p50, p90 = quantiles(seconds, n=10)[4], quantiles(seconds, n=10)[8]
    back = sorted(cut + seconds for cut, seconds in outages)
    peak = max(sum(moment <= other < moment + 1 for other in back) for moment in back)
    errors = [error for member in members for error in member.errors]
    print(f"{len(members)} clients, {len(acked)} messages: {len(outages)} outages, p50 {p50:.2f} s, p90 {p90:.2f} s,")
    print(f"max {seconds[-1]:.2f} s; {peak} back in the busiest second, {len(errors)} failed handshakes,")
    print(f"{sum(member.lost for member in members)} not recovered, {sum(m.unanswered for m in members)} unanswered")
    await until(lambda: all(acked <= set(member.received) for member in members), what="everybody heard everything")
    assert errors == []
    disorder = {n: found for n, member in enumerate(members) if (found := out_of_order(member.received))}
    assert disorder == {}, [(TRANSPORTS[n % len(TRANSPORTS)], members[n].outages) for n in disorder]
    assert sum(member.lost for member in members) == 0
    assert sum(member.unanswered for member in members) == 0
    assert p90 < 4.0
