"""The parts of workers: pipes, the shared board, merged metrics, the hand-over, the control socket, systemd."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from gateway.machine import cores
from gateway.metrics import Metrics
from gateway.process import sd_notify
from gateway.workers import board as boards
from gateway.workers import control
from gateway.workers.board import Board, State
from gateway.workers.counters import Samples, Totals, samples_of, text_of
from gateway.workers.handover import HandOver, Verdict
from gateway.workers.master import Master
from gateway.workers.pipe import Pipe, pair
from tests.doubles import stand_in
from tests.support import make_settings
from tests.timing import until

# --- pipes ---------------------------------------------------------------------------------------------------------


class Inbox:
    """One end of a pipe, with what has come."""

    def __init__(self, end: socket.socket) -> None:
        self.messages: list[tuple[bytes, list[int]]] = []
        self.closes = 0
        self.pipe = Pipe(end, lambda message, fds: self.messages.append((message, fds)), self._closed)

    def _closed(self) -> None:
        self.closes += 1


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Inbox, Inbox]]:
    one, other = map(Inbox, pair())
    yield one, other
    one.pipe.close()
    other.pipe.close()


async def test_messages_of_all_sizes_arrive_whole_and_in_order() -> None:
    async with two() as (one, other):
        sent = [os.urandom(size) for size in (0, 1, 60_000, 60_001, 3_000_000, 5)]  # far more than the kernel buffers
        for message in sent:
            one.pipe.send(message)
        await until(lambda: len(other.messages) == len(sent))
        assert [message for message, _ in other.messages] == sent


async def test_a_descriptor_arrives_with_its_message_though_its_sender_has_closed_it() -> None:
    async with two() as (one, other):
        for number in range(300):
            reading, writing = os.pipe()
            os.write(writing, b"%d" % number)
            one.pipe.send(bytes(30_000), [reading])
            os.close(reading)
            os.close(writing)
        await until(lambda: len(other.messages) == 300)
        for number, (_, [descriptor]) in enumerate(other.messages):
            assert not os.get_inheritable(descriptor)
            assert os.read(descriptor, 10) == b"%d" % number
            os.close(descriptor)


async def test_the_end_of_the_other_process_is_noticed_once() -> None:
    async with two() as (one, other):
        other.pipe.send(b"last")
        other.pipe.close()
        await until(lambda: one.closes)
        assert one.messages == [(b"last", [])]
        with pytest.raises(ConnectionError):
            one.pipe.send(b"anybody?")
        assert (one.closes, other.closes) == (1, 0)


async def test_an_end_that_is_noticed_while_sending() -> None:
    one, other = pair()
    inbox = Inbox(one)
    other.close()
    with pytest.raises(ConnectionError):
        inbox.pipe.send(b"anybody?")
    await until(lambda: inbox.closes)
    inbox.pipe.close()


# --- the board --------------------------------------------------------------------------------------------------------


def test_rows_are_seen_through_another_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board.create(3)
    other = Board(os.dup(board.descriptor))
    rows = [board.claim(number) for number in (7, 8)]
    assert board.accepting() == []
    board.beat(rows[0], 12, State.READY)
    board.beat(rows[1], 3, State.RETIRING)
    assert [(row.number, row.connections) for row in other.accepting()] == [(7, 12)]
    board.beat(rows[1], 3, State.DEAF)
    assert {row.number for row in other.accepting()} == {7, 8}
    board.free(rows[0])
    assert [row.number for row in other.accepting()] == [8]
    assert board.claim(9) == rows[0]
    assert board.row(rows[0]).beat == 0, "nothing is left of the one before"
    now = time.monotonic() + boards.STALE + 1
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert other.accepting() == [], "one that has not beaten for a while does not count"


# --- metrics ----------------------------------------------------------------------------------------------------------


def process(messages: int, connections: int, seconds: float) -> Any:
    registry = CollectorRegistry()
    counter = Counter("messages", "Messages", ["room"], registry=registry)
    counter.labels("a").inc(messages)
    counter.labels(f"of {messages}").inc()
    Gauge("connections", "Connections", registry=registry).set(connections)
    Histogram("seconds", "Seconds", buckets=(1, 2), registry=registry).observe(seconds)
    return samples_of(registry)


def shown(text: bytes) -> dict[tuple[Any, ...], float]:
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_counters_go_on_under_the_index_of_a_worker_that_is_gone() -> None:
    totals = Totals((1, 2))
    totals.ended(1, process(5, 30, 0.5), "crash")
    totals.ended(1, process(1, 9, 3), "reload")
    text = text_of(totals.shown({1: process(2, 4, 1.5), 2: process(10, 6, 1.5)}, []))
    values = shown(text)
    assert values["messages_total", "1", "a"] == 8
    assert values["messages_total", "1", "of 5"] == 1, "also what only those before had"
    assert values["messages_total", "2", "a"] == 10
    assert values["connections", "1"] == 4, "a gauge is of now"
    assert values["seconds_count", "1"] == 3
    assert values["seconds_sum", "1"] == 5
    assert [values["seconds_bucket", *sorted(("1", le))] for le in ("1.0", "2.0", "+Inf")] == [1, 2, 3]
    assert values["dorami_worker_ends_total", "1", "crash"] == values["dorami_worker_ends_total", "1", "reload"] == 1
    assert b"_created" not in text


def test_a_worker_that_retires_is_beside_the_one_that_has_replaced_it() -> None:
    totals = Totals((1,))
    values = shown(text_of(totals.shown({1: process(2, 4, 1)}, [(1, process(5, 30, 1))])))
    assert values["messages_total", "1", "a"] == 7
    assert (values["connections", "1"], values["connections", "1-retiring"]) == (4, 30)
    after = shown(text_of(totals.shown({}, [])))
    assert after == {}, "nobody has ended, and nobody has answered"


class RunningWorker:
    """A worker process that answers the master with fixed samples, and keeps the messages of the master."""

    def __init__(self, samples: Samples, reason: str | None = None) -> None:
        self.seat = SimpleNamespace(index=1)
        self.samples = samples
        self.reason = reason
        self.sent: list[dict[str, Any]] = []

    async def sample(self) -> None:
        """Send the samples: they are there."""

    def send(self, **message: Any) -> None:
        """Keep a message of the master."""
        self.sent.append(message)


@pytest.mark.parametrize("reason", ["reload", "memory"])
async def test_counters_include_a_worker_that_drains_after_its_replacement(reason: str) -> None:
    master = Master(make_settings(workers="1"), 1, lambda _url: None)
    replaced, serving = RunningWorker(process(5, 30, 1), reason), RunningWorker(process(2, 4, 1))
    master._serving[1] = stand_in(serving)
    master._workers.update((stand_in(replaced), stand_in(serving)))
    await master._gather(stand_in(serving), 7)
    [answer] = serving.sent
    values = shown(text_of(answer["workers"]))
    assert values["messages_total", "1", "a"] == 7
    assert (values["connections", "1"], values["connections", "1-retiring"]) == (4, 30)


def test_the_metrics_of_a_node_can_be_merged() -> None:
    metrics = Metrics()
    metrics.refused.labels("/chat", "BANNED").inc()
    metrics.events.labels("/chat", "chat:send-message", "ok").observe(0.01)
    samples = samples_of(metrics.registry)
    text = text_of(Totals((1,)).shown({1: samples}, []))
    own = shown(metrics.render())
    volatile = ("process_", "dorami_loop", "python_")
    mine = {key: value for key, value in own.items() if not key[0].startswith(volatile) and "_created" not in key[0]}
    merged = {tuple(sorted(key[1:])): value for key, value in shown(text).items()}
    assert all(tuple(sorted((*key[1:], "1"))) in merged for key in mine)


# --- the hand-over ----------------------------------------------------------------------------------------------------


class Connection:
    """The transport of a connection to this process."""

    def __init__(self) -> None:
        self.mine, self.client = socket.socketpair()

    def get_extra_info(self, _name: str) -> socket.socket:
        """See Transport."""
        return self.mine


async def test_a_request_goes_to_the_owner_of_its_session() -> None:
    board, metrics = Board.create(4), Metrics()
    adopted: dict[int, list[tuple[socket.socket, bytes]]] = {1: [], 2: []}

    def worker(number: int) -> HandOver:
        def take(accepted: socket.socket, head: bytes) -> None:
            adopted[number].append((accepted, head))

        return HandOver(number, "/socket.io/", board, metrics.handed_over, take)

    one, other = worker(1), worker(2)
    ends = pair()
    one.meet(2, ends[0])
    other.meet(1, ends[1])
    connection = Connection()
    transport = stand_in(connection)

    start = b"GET /socket.io/?EIO=4&transport=polling"
    mine = {
        "its own session": start + b"&sid=1.abc HTTP/1.1\r\n",
        "a worker that is gone": start + b"&sid=3.abc HTTP/1.1\r\n",
        "a session of no worker": start + b"&sid=abc HTTP/1.1\r\n",
        "a new session": start + b" HTTP/1.1\r\n",
        "a parameter whose name ends alike": start + b"&outsid=2.abc HTTP/1.1\r\n",
        "a sid in a header": start + b" HTTP/1.1\r\nReferer: /socket.io/?sid=2.abc\r\n",
        "another path": b"GET /socket.io.js?sid=2.abc HTTP/1.1\r\n",
        "another method": b"OPTIONS /socket.io/?sid=2.abc HTTP/1.1\r\n",
        "a line that does not end": start + b"&x=" + bytes(9_000),
        "no HTTP": b"\x16\x03\x01",
    }
    assert {why: one.locate(head, transport) for why, head in mine.items()} == dict.fromkeys(mine, Verdict.MINE)
    for length in (0, 1, 5, 20, len(start)):
        assert one.locate(start[:length], transport) is Verdict.UNKNOWN

    theirs = [start + b"&sid=2.abc HTTP/1.1\r\n\r\n", b"POST /socket.io/?sid=2.x&EIO=4 HTTP/1.1\r\n\r\n42[]"]
    for head in theirs:
        assert one.locate(head, transport) is Verdict.GONE
    await until(lambda: len(adopted[2]) == 2)
    assert [head for _, head in adopted[2]] == theirs
    adopted[2][0][0].send(b"answered")
    assert connection.client.recv(10) == b"answered"

    new = mine["a new session"]
    one.crowded = lambda: True
    assert one.locate(new, transport) is Verdict.MINE, "nobody else accepts"
    one.retiring = True
    assert one.locate(new, transport) is Verdict.MINE, "nobody accepts"
    board.beat(board.claim(2), 5, State.READY)
    assert one.locate(new, transport) is Verdict.GONE
    one.retiring = False
    assert one.locate(new, transport) is Verdict.GONE, "the other one has fewer"
    assert one.locate(mine["another path"], transport) is Verdict.MINE, "no session is opened there"
    one.retiring = True
    assert one.locate(mine["its own session"], transport) is Verdict.MINE
    assert metrics.handed_over._value.get() == 4

    other.close()
    await until(lambda: one.locate(theirs[0], transport) is Verdict.MINE, what="the owner is gone: an unknown session")
    one.close()
    for end in (connection.mine, connection.client, *(accepted for accepted, _ in adopted[2])):
        end.close()


# --- settings, systemd, reload ----------------------------------------------------------------------------------------


def test_how_the_number_of_workers_and_sizes_are_written(tmp_path: Path) -> None:
    assert make_settings().worker_count == 1
    assert make_settings(workers="4").worker_count == 4
    assert make_settings(workers=" max ").worker_count == cores()
    assert make_settings(worker_memory_limit="512MiB").worker_memory_limit == 512 * 2**20
    for wrong in ({"workers": "0"}, {"workers": "many"}, {"worker_memory_limit": "0"}, {"worker_memory_limit": "1GB"}):
        with pytest.raises(ValidationError):
            make_settings(**wrong)

    tree, own = tmp_path / "tree", tmp_path / "cgroup"
    (tree / "pod" / "container").mkdir(parents=True)
    own.write_text("0::/pod/container\n")
    (tree / "pod" / "cpu.max").write_text("50000 100000\n")
    (tree / "pod" / "container" / "cpu.max").write_text("max 100000\n")
    assert cores(own, tree) == 1, "half a core is one process"
    assert cores(tmp_path / "missing", tree) >= 1


@pytest.mark.parametrize("abstract", [False, True])
async def test_systemd_hears_of_the_state_and_of_the_loop(
    abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"dorami-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        service.bind("\0" + name if abstract else name)
        service.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name if abstract else name)
        monkeypatch.setenv("WATCHDOG_USEC", "2000")
        loop = asyncio.get_running_loop()
        sd_notify.notify(sd_notify.READY)
        assert await loop.sock_recv(service, 100) == b"READY=1"
        async with sd_notify.watchdog():
            for _ in range(3):
                assert await loop.sock_recv(service, 100) == b"WATCHDOG=1"
    sd_notify.notify(sd_notify.STOPPING)  # nobody listens
    monkeypatch.setenv("NOTIFY_SOCKET", "")
    sd_notify.notify(sd_notify.STOPPING)


async def test_a_reload_is_told_step_by_step() -> None:
    url = f"http://127.0.0.1:{os.getpid()}"
    outcomes = iter([True, False])

    async def reload(tell: Callable[[str], None]) -> bool:
        tell("worker 1 was replaced")
        await asyncio.sleep(0)
        return next(outcomes)

    said: list[str] = []
    async with control.serving(url, reload):
        assert await control.ask(url, said.append)
        assert not await control.ask(url, said.append)
        async with control.serving(url, reload):  # a second master of this address is not reached, and serves
            pass
    assert said == ["worker 1 was replaced"] * 2
    with pytest.raises(ConnectionRefusedError):
        await control.ask(url, said.append)
