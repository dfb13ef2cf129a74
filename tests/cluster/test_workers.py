"""Several workers behind one port, as real processes: what clients notice when some are replaced, killed or hang."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.client.client import Client, Transport
from tests.cluster import haproxy, nginx
from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.faulty_cluster import FaultyCluster
from tests.cluster.test_rolls import Balancer, Member
from tests.support import Node
from tests.timing import scaled, until

TWO = {"WORKERS": "2", "TRUSTED_PROXIES": "127.0.0.1", "NODE_ID": "node"}
ENTRY = "from gateway.workers.entry import main\nmain()"


class KeptConnection:
    """One HTTP connection that is kept open, without a client library that would repeat a request."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(self._address.hostname, self._address.port)

    async def ask(self, target: str, method: str = "GET", body: str = "") -> tuple[int, str]:
        """Send a request and return the status and the body of the answer."""
        assert self._reader is not None
        assert self._writer is not None
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._address.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write((head + body).encode())
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"(?i)content-length: (\d+)", answer)
        assert length is not None, answer
        return int(answer.split()[1]), (await self._reader.readexactly(int(length[1]))).decode()

    def close(self) -> None:
        """Disconnect."""
        if self._writer is not None:
            self._writer.close()


def workers_of(node: Node) -> dict[int, psutil.Process]:
    """The worker processes of a master, by slot."""
    found = {}
    for process in psutil.Process(node.pid).children():
        try:
            seat = process.environ().get("DORAMI_WORKER")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if seat is not None:
            found[json.loads(seat)["slot"]] = process
    return found


async def metrics(node: Node) -> dict[tuple[str, str], float]:
    """The samples of `/metrics` by name and worker, added up over their other labels."""
    async with aiohttp.ClientSession() as http, http.get(f"{node.url}/metrics") as response:
        assert response.status == 200
        text = await response.text()
    sums: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, sample.labels["worker"])
            sums[key] = sums.get(key, 0) + sample.value
    return sums


async def reload(node: Node) -> tuple[int, list[str]]:
    """Run `dorami reload`; its exit code and what it says."""
    environment = node._environment | {"PORT": node.url.rpartition(":")[2]}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "reload"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode().splitlines()


async def members(cluster: FaultyCluster, client: Client, url: str, count: int, *transports: Transport) -> list[Member]:
    """Clients in one chat room."""
    key = await cluster.shop.stream()
    people = await cluster.shop.clients(count)
    found = [Member(client, url, person, key, transports[n % len(transports)]) for n, person in enumerate(people)]
    await asyncio.gather(*(member.join() for member in found))
    return found


async def all_hear(people: list[Member]) -> None:
    """Everybody says something, and everybody hears all of it in one order."""
    said = await asyncio.gather(
        *(m.socket.call("chat:send-message", {"liveId": m.key, "message": "x"}) for m in people)
    )
    seqs = {answer["seq"] for answer in said}
    await until(lambda: all(seqs <= set(member.received) for member in people), what="everybody has heard everything")
    assert all(member.received == sorted(set(member.received)) for member in people)


def crashes(log: str) -> list[str]:
    """The lines about workers that ended without being told to."""
    return [line for line in log.splitlines() if "a worker has ended" in line]


@pytest.mark.parametrize("balancer", [haproxy.haproxy, nginx.nginx], ids=["haproxy", "nginx"])
async def test_polling_clients_meet_their_worker_on_the_connections_of_a_proxy(
    balancer: Balancer, open_faulty_cluster: OpenFaultyCluster, client: Client, tmp_path: Path
) -> None:
    async with open_faulty_cluster(1, **TWO) as cluster:
        [node] = cluster.nodes
        node.keep_port()
        async with balancer([node, node], tmp_path) as url:
            people = await members(cluster, client, url, 60, "polling")
            await all_hear(people)
            assert all(member.errors == [] and member.outages == [] for member in people)
            client.forget_all()
        samples = await metrics(node)
        handed = [samples["dorami_connections_handed_over_total", worker] for worker in ("1", "2")]
        assert min(handed) > 0, "the proxy's connections have carried requests of both workers' sessions"
        assert cluster.tracebacks() == []


async def test_one_connection_carries_requests_of_all_workers(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with open_faulty_cluster(1, **TWO) as cluster:
        [node] = cluster.nodes
        opening = "/socket.io/?EIO=4&transport=polling"
        sids: dict[str, str] = {}
        while len(sids) < 2:  # one session in each worker
            connection = KeptConnection(node.url)
            await connection.open()
            _, packet = await connection.ask(opening)
            sid = json.loads(packet[1:])["sid"]
            sids[sid.partition(".")[0]] = sid
            connection.close()
        connection = KeptConnection(node.url)
        await connection.open()
        for sid in [*sids.values()] * 3:
            assert await connection.ask(f"{opening}&sid={sid}", "POST", "40/nowhere,") == (200, "ok")
            status, packets = await connection.ask(f"{opening}&t=abc&sid={sid}")
            assert (status, packets.partition(",")[0]) == (200, "44/nowhere")
            assert (await connection.ask("/api/v1/health/live"))[0] == 200
        for unknown in ("99.abcdefghijklmnopqrst", "1.abcdefghijklmnopqrst", "abcdefghijklmnopqrst", ".", "1", "%31."):
            status, body = await connection.ask(f"{opening}&sid={unknown}")
            assert (status, json.loads(body)["code"]) == (400, 1), "an unknown owner is an unknown session"
        connection.close()


async def test_connections_spread_over_the_workers(open_faulty_cluster: OpenFaultyCluster, client: Client) -> None:
    async with open_faulty_cluster(1, **TWO) as cluster:
        [node] = cluster.nodes
        people = await members(cluster, client, node.url, 60, "websocket")
        samples = await metrics(node)
        counts = [samples["dorami_connections", worker] for worker in ("1", "2")]
        assert sum(counts) == 60
        assert min(counts) >= 60 * 0.35, "one that has more than the mean lets the others accept"
        await all_hear(people)


async def test_nothing_fails_while_workers_are_replaced(open_faulty_cluster: OpenFaultyCluster, client: Client) -> None:
    async with open_faulty_cluster(1, **TWO, DRAIN_SPREAD="1s") as cluster:
        [node] = cluster.nodes
        people = await members(cluster, client, node.url, 24, "websocket", "polling", "upgrade")
        before = {slot: process.pid for slot, process in workers_of(node).items()}
        counted = await metrics(node)
        stop = asyncio.Event()
        answers: list[int] = []

        async def ask() -> None:
            connection = KeptConnection(node.url)
            await connection.open()
            while not stop.is_set():
                answers.append((await connection.ask("/api/v1/streams/active"))[0])
                await asyncio.sleep(0.02)
            connection.close()

        async def ask_anew() -> None:
            while not stop.is_set():
                connection = KeptConnection(node.url)
                await connection.open()
                answers.append((await connection.ask("/socket.io/?EIO=4&transport=polling"))[0])
                connection.close()

        asking = [asyncio.create_task(ask()) for _ in range(8)] + [asyncio.create_task(ask_anew())]
        talking = [asyncio.create_task(member.send_messages(5)) for member in people[:6]]
        assert await reload(node) == (0, ["worker 1 was replaced", "worker 2 was replaced"])
        await until(lambda: all(member.up for member in people), within=15, what="everybody is back")
        stop.set()
        await asyncio.gather(*asking)
        for send_messages in talking:
            send_messages.cancel()
        await asyncio.gather(*talking, return_exceptions=True)

        assert set(answers) == {200}, "no request failed"
        assert [member.errors for member in people if member.errors] == []
        assert sum(member.unanswered for member in people) == 0
        assert sum(member.lost for member in people) == 0, "all were recovered"
        acked = {seq for member in people for seq in member.acked}
        await until(lambda: all(acked <= set(member.received) for member in people), what="everybody heard everything")
        after = {slot: process.pid for slot, process in workers_of(node).items()}
        assert before.keys() == after.keys() == {1, 2}
        assert not set(before.values()) & set(after.values())
        samples = await metrics(node)
        for worker in ("1", "2"):
            assert samples["dorami_worker_ends_total", worker] == 1
            assert samples["dorami_http_seconds_count", worker] >= counted["dorami_http_seconds_count", worker]
        assert cluster.tracebacks() == []
        assert crashes(node.logs) == []


async def test_a_killed_worker_is_started_again(open_faulty_cluster: OpenFaultyCluster, client: Client) -> None:
    async with open_faulty_cluster(1, **TWO) as cluster:
        [node] = cluster.nodes
        people = await members(cluster, client, node.url, 12, "websocket", "polling")
        victim = workers_of(node)[1]
        counted = await metrics(node)
        cut = counted["dorami_connections", "1"]
        assert cut
        victim.kill()
        await until(lambda: workers_of(node).get(1, victim).pid != victim.pid, within=15, what="another worker")
        await until(lambda: all(member.up for member in people), within=20, what="everybody is back")
        await all_hear(people)
        assert sum(bool(member.outages) for member in people) == cut, "nobody else has noticed"
        await until(lambda: has_both(node), within=15, what="both workers serve")
        samples = await metrics(node)
        assert samples["dorami_worker_ends_total", "1"] == 1
        assert samples["dorami_http_seconds_count", "1"] >= counted["dorami_http_seconds_count", "1"]
        assert len(crashes(node.logs)) == 1


async def has_both(node: Node) -> bool:
    """Whether both workers are ready, by the metrics."""
    samples = await metrics(node)
    return samples.get(("dorami_ready", "1")) == samples.get(("dorami_ready", "2")) == 1


async def test_no_worker_outlives_its_master(open_faulty_cluster: OpenFaultyCluster, client: Client) -> None:
    async with open_faulty_cluster(1, **TWO, DRAIN_DELAY="3s", DRAIN_SPREAD="10s") as cluster:
        [node] = cluster.nodes
        await members(cluster, client, node.url, 6, "websocket", "polling")
        orphans = workers_of(node).values()
        node.keep_port()
        os.kill(node.pid, signal.SIGKILL)
        await until(lambda: not any(process.is_running() for process in orphans), within=8, what="the workers end")
        await node._ended()
        await node.start()  # the port is free
        await until(lambda: has_both(node), within=15)


async def test_sigterm_drains_all_workers(open_faulty_cluster: OpenFaultyCluster, client: Client) -> None:
    async with open_faulty_cluster(1, **TWO, DRAIN_SPREAD="500ms") as cluster:
        [node] = cluster.nodes
        people = await members(cluster, client, node.url, 10, "websocket", "polling")
        published: list[str] = []
        for member in people:
            member.socket.listener = lambda line: published.append(line.get("event") or line.get("lifecycle") or "")
        workers = workers_of(node).values()
        assert await node.stop() == 0
        assert published.count("server:shutdown") == len(people)
        assert not any(process.is_running() for process in workers)
        assert "did not stop in time" not in node.logs


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """Have nodes run `quick_master.py`, and return the environment for limits."""

    def make(**limits: float) -> dict[str, str]:
        monkeypatch.setattr(Node, "program", (sys.executable, "-m", "tests.cluster.quick_master"))
        return TWO | {"LIMITS": json.dumps(limits)}

    return make


async def test_a_worker_that_hangs_is_replaced(
    open_faulty_cluster: OpenFaultyCluster, client: Client, quick: Callable[..., dict[str, str]]
) -> None:
    async with open_faulty_cluster(1, **quick(hang=scaled(3.0), look=0.1)) as cluster:
        [node] = cluster.nodes
        people = await members(cluster, client, node.url, 8, "websocket")
        victim = workers_of(node)[2]
        victim.suspend()
        await until(lambda: workers_of(node).get(2, victim).pid != victim.pid, within=20, what="another worker")
        await until(lambda: has_both(node), within=15, what="both workers serve")
        await until(lambda: all(member.up for member in people), within=20, what="everybody is back")
        await all_hear(people)
        assert (await metrics(node))["dorami_worker_ends_total", "2"] == 1
        assert "a worker hangs" in node.logs


async def test_workers_that_have_grown_are_replaced_one_at_a_time(
    open_faulty_cluster: OpenFaultyCluster, quick: Callable[..., dict[str, str]]
) -> None:
    environment = quick(memory_look=0.2, look=0.1) | {"WORKER_MEMORY_LIMIT": "20MiB"}
    async with open_faulty_cluster(1, **environment) as cluster:
        [node] = cluster.nodes
        first = {process.pid for process in workers_of(node).values()}
        most = 0

        def replaced() -> bool:
            nonlocal most
            now = [process.pid for process in psutil.Process(node.pid).children()]
            most = max(most, len(now))
            return not first & set(now)

        async with aiohttp.ClientSession() as http:

            async def serves() -> bool:
                async with http.get(f"{node.url}/api/v1/health/ready") as response:
                    assert response.status == 200
                return replaced()

            await until(serves, within=40, what="both were replaced")
        assert most == 3, "two serve, and one is being replaced"
        assert "a worker has grown too large" in node.logs
        assert crashes(node.logs) == []


async def test_a_new_version_that_does_not_come_up_leaves_the_old_one(
    open_faulty_cluster: OpenFaultyCluster, quick: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    program = f"import os, sys\nif os.path.exists({str(broken)!r}): sys.exit(3)\n" + ENTRY
    async with open_faulty_cluster(1, **quick(), WORKER_PROGRAM=program) as cluster:
        [node] = cluster.nodes
        before = {process.pid for process in workers_of(node).values()}
        broken.touch()
        assert await reload(node) == (1, ["worker 1: the new one was not ready in time, the old one serves on"])
        await until(lambda: {process.pid for process in workers_of(node).values()} == before)
        assert await has_both(node)


async def test_workers_that_never_come_up_end_the_master(
    open_faulty_cluster: OpenFaultyCluster, quick: Callable[..., dict[str, str]]
) -> None:
    with pytest.raises(AssertionError, match="did not start"):
        async with open_faulty_cluster(1, **quick(first_pause=0.05), WORKER_PROGRAM="raise SystemExit(3)"):
            pass


@pytest.mark.parametrize("host", ["::", "unix:"])
async def test_where_workers_listen(host: str, open_faulty_cluster: OpenFaultyCluster, tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    async with open_faulty_cluster(1, **TWO, HOST=f"unix:{path}" if host == "unix:" else host) as cluster:
        [node] = cluster.nodes
        connector = aiohttp.UnixConnector(str(path)) if host == "unix:" else aiohttp.TCPConnector()
        port = node.url.rpartition(":")[2]
        urls = ["http://node"] if host == "unix:" else [node.url, f"http://127.0.0.1:{port}"]
        async with aiohttp.ClientSession(connector=connector) as http:
            for url in urls:
                async with http.get(f"{url}/api/v1/health/ready") as response:
                    assert response.status == 200
        assert await node.stop() == 0
        assert not path.exists()


async def test_a_port_that_is_taken(open_faulty_cluster: OpenFaultyCluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AssertionError, match="cannot serve on"):
        async with open_faulty_cluster(1, **TWO, PORT=str(taken.getsockname()[1])):
            pass


async def test_reload_without_a_master(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with open_faulty_cluster(1) as cluster:
        [node] = cluster.nodes
        assert await reload(node) == (1, [f"no `dorami serve --workers` of this user serves on {node.url}"])
