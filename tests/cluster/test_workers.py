"""Several workers behind one port, as real processes: clients while workers are replaced, killed or hang."""

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.client.client import Client, Transport
from tests.cluster import haproxy, nginx
from tests.cluster.haproxy import free_port
from tests.cluster.shop import Shop, open_shop
from tests.cluster.test_rolls import Balancer, Member
from tests.support import Databases, Keyspaces, Node
from tests.timing import scaled, until

TWO = {"WORKERS": "2", "TRUSTED_PROXIES": "127.0.0.1", "NODE_ID": "node"}
NO_LIMITS = {"CONNECT_TIMEOUT": "1m"} | {f"{name}_RATE_LIMIT": "100000/second" for name in ("CHAT", "EVENT", "JOIN")}
Quick = Callable[..., dict[str, str]]
PONGS = "3\x1e3\x1e3"  # a body that leaves a session as it is
ENTRY = "from gateway.workers.entry import main\nmain()"
OpenWorkers = Callable[..., AbstractAsyncContextManager[Shop]]


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

    async def ask_in_pieces(self, target: str, body: str) -> str:
        """Send a POST in pieces with pauses, and return the body of the answer."""
        assert self._reader is not None
        assert self._writer is not None
        head = f"POST {target} HTTP/1.1\r\nHost: {self._address.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        for piece in (head[:3], head[3:30], head[30:-3], head[-3:] + body[:2], body[2:]):
            self._writer.write(piece.encode())
            await asyncio.sleep(0.01)  # the worker reads the pieces one by one, mostly
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", answer)
        assert length is not None, answer
        return (await self._reader.readexactly(int(length[1]))).decode()

    def close(self) -> None:
        """Disconnect."""
        if self._writer is not None:
            self._writer.close()


def workers_of(node: Node) -> dict[int, psutil.Process]:
    """Return the worker processes of a master, by index."""
    found = {}
    for process in psutil.Process(node.pid).children():
        try:
            seat = process.environ().get("DORAMI_WORKER")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if seat is not None:
            found[json.loads(seat)["index"]] = process
    return found


async def metrics(node: Node) -> dict[tuple[str, str], float]:
    """Return the samples of `/metrics` by name and worker, added up over their other labels."""
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


async def members(shop: Shop, url: str, count: int, *transports: Transport) -> list[Member]:
    """Return `count` clients that have joined one chat room."""
    key = await shop.stream()
    people = await shop.clients(count)
    found = [Member(shop.client, url, person, key, transports[n % len(transports)]) for n, person in enumerate(people)]
    await asyncio.gather(*(member.join() for member in found))
    return found


async def all_hear(people: list[Member]) -> None:
    """Send a message from each client, and check that all clients receive all of them in one order."""
    said = await asyncio.gather(
        *(m.socket.call("chat:send-message", {"liveId": m.key, "message": "x"}) for m in people)
    )
    seqs = {answer["seq"] for answer in said}
    await until(lambda: all(seqs <= set(member.received) for member in people), what="everybody has heard everything")
    assert all(member.received == sorted(set(member.received)) for member in people)


def crashes(log: str) -> list[str]:
    """Return the log lines about workers that ended by themselves."""
    return [line for line in log.splitlines() if "a worker has ended" in line]


async def has_both(node: Node) -> bool:
    """Whether both workers are ready, by the metrics."""
    samples = await metrics(node)
    return samples.get(("dorami_ready", "1")) == samples.get(("dorami_ready", "2")) == 1


@pytest.fixture(scope="module")
async def shared(
    client: Client, databases: Databases, keyspaces: Keyspaces, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """Return a node of two workers, for tests that leave both serving."""
    folder = tmp_path_factory.mktemp("workers")
    servers = await databases.migrated(), keyspaces.fresh()
    async with open_shop(
        client, folder, *servers, size=1, each=(), **(TWO | NO_LIMITS | {"DRAIN_SPREAD": "1s"})
    ) as shop:
        yield shop
        assert "Traceback" not in shop.nodes[0].logs
        assert "did not stop in time" not in shop.nodes[0].logs


@pytest.fixture
async def shop(shared: Shop) -> AsyncIterator[Shop]:
    """Return the same, without clients."""
    await until(lambda: has_both(shared.nodes[0]), within=15, what="both workers serve")
    yield shared
    shared.client.forget_all()


@pytest.fixture
def open_workers(client: Client, database_url: str, redis_url: str, tmp_path: Path) -> OpenWorkers:
    """Open a node of this test's own."""
    servers = database_url, redis_url
    return lambda **environment: open_shop(
        client, tmp_path, *servers, size=1, each=(), **(TWO | NO_LIMITS | environment)
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """Have nodes run `quick_master.py`, and return the environment for limits."""

    def make(**limits: float) -> dict[str, str]:
        monkeypatch.setattr(Node, "program", (sys.executable, "-m", "tests.cluster.quick_master"))
        return {"LIMITS": json.dumps(limits)}

    return make


@pytest.mark.parametrize("balancer", [haproxy.haproxy, nginx.nginx], ids=["haproxy", "nginx"])
async def test_polling_clients_meet_their_worker_on_the_connections_of_a_proxy(
    balancer: Balancer, shop: Shop, tmp_path: Path
) -> None:
    [node] = shop.nodes
    before = await metrics(node)
    async with balancer([node, node], tmp_path) as url:
        people = await members(shop, url, 60, "polling")
        await all_hear(people)
        assert all(member.errors == [] and member.outages == [] for member in people)
        samples = await metrics(node)
        shop.client.forget_all()
    for worker in ("1", "2"):
        # A worker with more than the mean lets the others accept; a worker that gets no processor accepts few.
        assert samples["dorami_connections", worker] >= 60 * 0.2
        name = "dorami_connections_handed_over_total", worker
        assert samples[name] > before[name], "the proxy's connections carry requests of both workers' sessions"


async def test_one_connection_carries_requests_of_all_workers(shop: Shop) -> None:
    [node] = shop.nodes
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
        assert await connection.ask(f"{opening}&t=abc&sid={sid}", "POST", "3") == (200, "ok")
        assert (await connection.ask("/api/v1/health/live"))[0] == 200
    for unknown in ("99.abcdefghijklmnopqrst", "1.abcdefghijklmnopqrst", "abcdefghijklmnopqrst", ".", "1", "%31."):
        status, body = await connection.ask(f"{opening}&sid={unknown}")
        assert (status, json.loads(body)["code"]) == (400, 1), "an unknown owner is an unknown session"
    connection.close()


async def test_a_request_that_comes_in_pieces(shop: Shop) -> None:
    [node] = shop.nodes
    connection = KeptConnection(node.url)
    await connection.open()
    _, packet = await connection.ask("/socket.io/?EIO=4&transport=polling")
    sid = json.loads(packet[1:])["sid"]
    target = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
    for _ in range(6):  # new connections, which both workers accept, and between two requests of one
        other = KeptConnection(node.url)
        await other.open()
        assert await other.ask_in_pieces(target, PONGS) == "ok"
        assert await other.ask_in_pieces(target, PONGS) == "ok"
        other.close()
    connection.close()


async def test_nothing_fails_while_workers_are_replaced(shop: Shop) -> None:
    [node] = shop.nodes
    people = await members(shop, node.url, 24, "websocket", "polling", "upgrade")
    before = {index: process.pid for index, process in workers_of(node).items()}
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
            status, packet = await connection.ask("/socket.io/?EIO=4&transport=polling")
            sid = json.loads(packet[1:]).get("sid")
            closed, _ = await connection.ask(f"/socket.io/?EIO=4&transport=polling&sid={sid}", "POST", "1")
            answers.extend((status, closed))
            connection.close()

    asking = [asyncio.create_task(ask()) for _ in range(8)] + [asyncio.create_task(ask_anew())]
    talking = [asyncio.create_task(member.send_messages(5)) for member in people[:6]]
    assert await reload(node) == (0, ["worker 1 was replaced", "worker 2 was replaced"])
    await until(lambda: all(member.up for member in people), within=15, what="everybody is back")
    stop.set()
    await asyncio.gather(*asking)
    for talk in talking:
        talk.cancel()
    await asyncio.gather(*talking, return_exceptions=True)

    assert set(answers) == {200}, "no request failed"
    assert [member.errors for member in people if member.errors] == []
    assert sum(member.unanswered for member in people) == 0
    assert sum(member.lost for member in people) == 0, "all were recovered"
    acked = {seq for member in people for seq in member.acked}
    await until(lambda: all(acked <= set(member.received) for member in people), what="everybody heard everything")
    after = {index: process.pid for index, process in workers_of(node).items()}
    assert before.keys() == after.keys() == {1, 2}
    assert not set(before.values()) & set(after.values())
    samples = await metrics(node)
    for worker in ("1", "2"):
        assert samples["dorami_worker_ends_total", worker] == 1
        assert samples["dorami_http_seconds_count", worker] >= counted["dorami_http_seconds_count", worker]
    assert crashes(node.logs) == []


async def test_a_killed_worker_is_started_again(shop: Shop) -> None:
    [node] = shop.nodes
    people = await members(shop, node.url, 12, "websocket", "polling")
    counted = await metrics(node)
    index = max((1, 2), key=lambda index: counted["dorami_sockets", str(index)])
    cut = counted["dorami_sockets", str(index)]
    victim = workers_of(node)[index]
    victim.kill()
    await until(lambda: workers_of(node).get(index, victim).pid != victim.pid, within=15, what="another worker")
    await until(lambda: sum(bool(member.outages) for member in people) == cut, within=20, what="they are back")
    await all_hear(people)
    assert sum(len(member.outages) for member in people) == cut, "nobody else has noticed"
    await until(lambda: has_both(node), within=15, what="both workers serve")
    samples = await metrics(node)
    ends = "dorami_worker_ends_total", str(index)
    assert samples[ends] == counted.get(ends, 0) + 1
    requests = "dorami_http_seconds_count", str(index)
    assert samples[requests] >= counted[requests]
    assert crashes(node.logs)[-1].count(str(victim.pid)) == 1


async def test_no_worker_outlives_its_master(open_workers: OpenWorkers) -> None:
    async with open_workers(DRAIN_DELAY="3s", DRAIN_SPREAD="10s") as shop:
        [node] = shop.nodes
        await members(shop, node.url, 6, "websocket", "polling")
        orphans = workers_of(node).values()
        await node.kill()
        await until(lambda: not any(process.is_running() for process in orphans), within=8, what="the workers end")
        port = int(node.url.rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)):
            pass  # it is free


async def test_sigterm_drains_all_workers(open_workers: OpenWorkers) -> None:
    async with open_workers(DRAIN_SPREAD="500ms") as shop:
        [node] = shop.nodes
        people = await members(shop, node.url, 10, "websocket", "polling")
        told: list[str] = []
        for member in people:
            member.socket.listener = lambda line: told.append(line.get("event") or line.get("lifecycle") or "")
        workers = workers_of(node).values()
        assert await node.stop() == 0
        await until(lambda: told.count("server:shutdown") >= len(people), what="all clients are warned")
        assert told.count("server:shutdown") == len(people)
        assert not any(process.is_running() for process in workers)
        assert "did not stop in time" not in node.logs


@pytest.mark.timeout(120)
async def test_what_each_signal_does(open_workers: OpenWorkers, quick: Quick) -> None:
    """The table of signals in docs/operations.md; SIGKILL, a worker that stays stopped and SIGTERM have own tests."""
    limits = quick(first_pause=0.05, last_pause=0.1, hang=60)
    async with open_workers(**limits, DRAIN_SPREAD="200s", SHUTDOWN_TIMEOUT="210s") as shop:
        [node] = shop.nodes
        master = psutil.Process(node.pid)

        async def answers() -> None:
            async with aiohttp.ClientSession() as http, http.get(f"{node.url}/api/v1/health/live") as response:
                assert response.status == 200

        def replaced(worker: psutil.Process) -> bool:
            return workers_of(node).get(1, worker) != worker

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            before = workers_of(node)
            before[1].send_signal(number)
            await until(partial(replaced, before[1]), within=20, what=f"another one after {number.name}")
            await until(lambda: has_both(node), within=15, what=f"{number.name}: both workers serve")
            assert workers_of(node)[2] == before[2], "the other one serves on"
        assert len(crashes(node.logs)) == 3

        before = workers_of(node)
        before[1].suspend()
        await answers()
        before[1].resume()
        await until(lambda: has_both(node), what="it goes on as if nothing had been")
        master.suspend()
        await answers()
        await all_hear(await members(shop, node.url, 2, "websocket"))
        master.resume()
        assert workers_of(node) == before

        async def deserted() -> bool:
            samples = await metrics(node)
            return samples["dorami_connections", "1"] + samples["dorami_connections", "2"] == 0

        shop.client.forget_all()
        await until(deserted, within=15, what="nobody is there, whom a reload would send away within DRAIN_SPREAD")
        master.send_signal(signal.SIGHUP)
        await until(lambda: not set(before.values()) & set(workers_of(node).values()), within=30, what="a reload")
        await until(lambda: has_both(node), within=15, what="both workers serve")
        assert len(crashes(node.logs)) == 3

        await members(shop, node.url, 8, "websocket")
        known = node.logs.count("stopping")
        master.send_signal(signal.SIGINT)
        # The master and both workers: two signals that come before a process has seen the first are one.
        await until(lambda: node.logs.count("stopping") == known + 3, within=15, what="all have heard the first signal")
        assert await node.stop(signal.SIGINT) == 0, "the second one does not wait for DRAIN_SPREAD"


async def test_a_worker_that_hangs_is_replaced(open_workers: OpenWorkers, quick: Quick) -> None:
    async with open_workers(**quick(hang=scaled(3.0), look=0.1)) as shop:
        [node] = shop.nodes
        people = await members(shop, node.url, 8, "websocket")
        victim = workers_of(node)[2]
        victim.suspend()
        await until(lambda: workers_of(node).get(2, victim).pid != victim.pid, within=20, what="another worker")
        await until(lambda: has_both(node), within=15, what="both workers serve")
        await until(lambda: all(member.up for member in people), within=20, what="everybody is back")
        await all_hear(people)
        assert (await metrics(node))["dorami_worker_ends_total", "2"] == 1
        assert "a worker hangs" in node.logs


async def test_workers_that_have_grown_are_replaced_one_at_a_time(open_workers: OpenWorkers, quick: Quick) -> None:
    async with open_workers(**quick(memory_look=0.2, look=0.1), WORKER_MEMORY_LIMIT="20MiB") as shop:
        [node] = shop.nodes
        first = {process.pid for process in workers_of(node).values()}
        most = 0
        async with aiohttp.ClientSession() as http:

            async def replaced() -> bool:
                nonlocal most
                async with http.get(f"{node.url}/api/v1/health/ready") as response:
                    assert response.status == 200
                now = {process.pid for process in psutil.Process(node.pid).children()}
                most = max(most, len(now))
                return not first & now

            await until(replaced, within=40, what="both were replaced")
        assert most == 3, "two serve, and one is being replaced"
        assert "a worker has grown too large" in node.logs
        assert crashes(node.logs) == []


async def test_a_new_version_that_does_not_come_up_leaves_the_old_one(
    open_workers: OpenWorkers, quick: Quick, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    program = f"import os, sys\nif os.path.exists({str(broken)!r}): sys.exit(3)\n" + ENTRY
    async with open_workers(**quick(), WORKER_PROGRAM=program) as shop:
        [node] = shop.nodes
        before = {process.pid for process in workers_of(node).values()}
        broken.touch()
        assert await reload(node) == (1, ["worker 1: the new one was not ready in time, the old one serves on"])
        await until(lambda: {process.pid for process in workers_of(node).values()} == before)
        assert await has_both(node)


async def test_workers_that_never_come_up_end_the_master(open_workers: OpenWorkers, quick: Quick) -> None:
    environment = quick(first_pause=0.05) | {"WORKER_PROGRAM": "raise SystemExit(3)"}
    with pytest.raises(AssertionError, match="no worker comes up"):
        async with open_workers(**environment):
            pass


@pytest.mark.parametrize("host", ["::", "unix:"])
async def test_where_workers_listen(host: str, open_workers: OpenWorkers, tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    async with open_workers(HOST=f"unix:{path}" if host == "unix:" else host, METRICS_PORT=str(free_port())) as shop:
        [node] = shop.nodes
        connector = aiohttp.UnixConnector(str(path)) if host == "unix:" else aiohttp.TCPConnector()
        port = node.url.rpartition(":")[2]
        urls = ["http://node"] if host == "unix:" else [node.url, f"http://127.0.0.1:{port}"]
        async with aiohttp.ClientSession(connector=connector) as http:
            for url in urls:
                async with http.get(f"{url}/api/v1/health/ready") as response:
                    assert response.status == 200
        metrics_url = f"http://127.0.0.1:{node._environment['METRICS_PORT']}/metrics"
        async with aiohttp.ClientSession() as http, http.get(metrics_url) as response:
            assert 'worker="2"' in await response.text()
        assert await node.stop() == 0
        assert not path.exists()


async def test_reasons_not_to_start_or_reload(open_workers: OpenWorkers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError, match="cannot serve on"):
            async with open_workers(PORT=str(port)):
                pass
    with pytest.raises(AssertionError, match="the database does not answer: connection refused"):
        async with open_workers(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing"):
            pass
    node = Node(Path("/nowhere"), DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing", REDIS_URL="redis://x")
    node._url = f"http://127.0.0.1:{port}"
    assert await reload(node) == (1, [f"no `dorami serve --workers` of this user serves on {node.url}"])
