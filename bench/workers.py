"""Compares two workers with one, and measures the cost of a hand-over. Run as `python -m bench.workers`.

It writes `docs/performance/workers.md` and the section "Several workers" of `docs/performance.md`. CPU is that of the
processes. The lowest of the repeats counts: other processes can only increase it, because caches get colder.
"""

import argparse
import asyncio
import json
import os
import re
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from typing import NamedTuple

import psutil

from bench.report import DOCUMENT, WORKERS, replace_workers
from bench.scenarios import SCENARIOS, Scenario, timed
from bench.servers import FULL, GATEWAY, Server, build
from bench.stage import Stage
from bench.tables import table
from gateway.workers.seat import VARIABLE

REQUESTS = 2000
SESSIONS = 20  # of each worker: a session may send only some 200 pongs
POLLING = "/socket.io/?EIO=4&transport=polling"


class Look(NamedTuple):
    """The counters of the workers so far, by index."""

    cpu: dict[str, float]  # s
    messages: dict[str, float]
    handed: dict[str, float]


class WorkerStage(Stage):
    """Nodes with several workers, each on a core of its own if there are enough cores."""

    @contextmanager
    def node(self, count: int) -> Iterator[tuple[Server, dict[str, psutil.Process]]]:
        """Start a node with so many workers; yield it and its processes by index."""
        cores = [self._core, self._other_core]
        with self._server(FULL[GATEWAY], self._core, WORKERS=str(count), CONNECT_TIMEOUT="5m") as server:
            master = psutil.Process(server.pid)
            processes = {"1": master} if count == 1 else {_slot(process): process for process in master.children()}
            for index, process in processes.items():
                for thread in process.threads():
                    os.sched_setaffinity(thread.id, {cores[(int(index) - 1) % len(cores)]})
            yield server, processes

    def messages(self, count: int, scenario: Scenario) -> dict[str, float]:
        """Return the CPU per message by worker and of all, and messages a second."""
        with self.node(count) as (server, processes):
            before = look(server.port, processes)
            measured = self._load(scenario, [server], server)
            after = look(server.port, processes)
        messages = {index: after.messages[index] - before.messages.get(index, 0) for index in processes}
        per = {index: 1e6 * (after.cpu[index] - before.cpu[index]) / max(1, messages[index]) for index in processes}
        every = 1e6 * sum(after.cpu[index] - before.cpu[index] for index in processes) / sum(messages.values())
        return {**per, "all": every, "messages/s": measured["messages_per_s"]}

    def requests(self, count: int, *, kept: bool) -> dict[str, float]:
        """POST to sessions of two workers in turn; return the CPU of all workers and the share of hand-overs."""
        with self.node(count) as (server, processes):
            before = look(server.port, processes)
            asyncio.run(_post(server.port, kept))
            after = look(server.port, processes)
        cpu = sum(after.cpu[index] - before.cpu[index] for index in processes)
        handed = sum(after.handed.get(index, 0) - before.handed.get(index, 0) for index in processes)
        return {"cpu": 1e6 * cpu / REQUESTS, "handed": handed / REQUESTS}


def look(port: int, processes: dict[str, psutil.Process]) -> Look:
    """Read the CPU times and counters of the workers."""
    cpu = {index: sum(process.cpu_times()[:2]) for index, process in processes.items()}
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        text = response.read().decode()
    messages: dict[str, float] = defaultdict(float)
    handed: dict[str, float] = defaultdict(float)
    for line in text.splitlines():
        index = found[1] if (found := re.search(r'worker="(\d+)"', line)) else "1"
        if line.startswith("dorami_event_seconds_count") and 'event="chat:send-message"' in line:
            messages[index] += float(line.rpartition(" ")[2])
        if line.startswith("dorami_connections_handed_over_total"):
            handed[index] += float(line.rpartition(" ")[2])
    return Look(cpu, messages, handed)


def _slot(process: psutil.Process) -> str:
    return str(json.loads(process.environ()[VARIABLE])["index"])


async def _post(port: int, kept: bool) -> None:
    sids: dict[str, list[str]] = defaultdict(list)  # by worker; without workers all are of one
    while not sids or min(map(len, sids.values())) < SESSIONS:
        _, body = await _ask(await asyncio.open_connection("127.0.0.1", port), "GET", POLLING, close=True)
        sid = json.loads(body[1:])["sid"]
        sids[sid.rpartition(".")[0]].append(sid)
    workers = list(sids.values())
    connection = await asyncio.open_connection("127.0.0.1", port)
    for number in range(REQUESTS):
        if not kept and number:
            connection = await asyncio.open_connection("127.0.0.1", port)
        sessions = workers[number % len(workers)]
        target = f"{POLLING}&sid={sessions[number // len(workers) % SESSIONS]}"
        status, body = await _ask(connection, "POST", target, "3", close=not kept)
        if (status, body) != (200, "ok"):
            raise SystemExit(f"{status} {body}")
    connection[1].close()


async def _ask(
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    method: str,
    target: str,
    body: str = "",
    *,
    close: bool,
) -> tuple[int, str]:
    reader, writer = connection
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = re.search(r"(?i)content-length: (\d+)", head)
    answer = await reader.readexactly(int(length[1]) if length else 0)
    if close:
        writer.close()
    return int(head.split()[1]), answer.decode()


def main() -> None:
    """Measure one worker and two in turn, and write the text."""
    parser = argparse.ArgumentParser(prog="python -m bench.workers")
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    build()
    scenarios = {s.name: timed(s, 4.0, 1.0) for s in SCENARIOS if s.name in ("full", "full-room")}
    loads = [os.getloadavg()[0]]
    messages: dict[tuple[str, int], list[dict[str, float]]] = defaultdict(list)
    requests: dict[tuple[bool, int], list[dict[str, float]]] = defaultdict(list)
    with WorkerStage() as stage:
        for _ in range(repeats):
            for name, scenario in scenarios.items():
                for count in (1, 2):
                    messages[name, count].append(stage.messages(count, scenario))
            for kept in (True, False):
                for count in (1, 2):
                    requests[kept, count].append(stage.requests(count, kept=kept))
            loads.append(os.getloadavg()[0])
            print(f"load {loads[-1]:.1f}", messages, requests, flush=True)
    text = _text(messages, requests, repeats, loads)
    WORKERS.write_text(text)
    DOCUMENT.write_text(replace_workers(DOCUMENT.read_text(), text))
    print(text)


def _text(
    messages: dict[tuple[str, int], list[dict[str, float]]],
    requests: dict[tuple[bool, int], list[dict[str, float]]],
    repeats: int,
    loads: list[float],
) -> str:
    def mid(runs: list[dict[str, float]], key: str) -> float:
        return median(run[key] for run in runs)

    def low(runs: list[dict[str, float]], key: str) -> float:
        return min(run[key] for run in runs)

    rows = []
    for (name, count), runs in messages.items():
        each = ", ".join(f"{low(runs, str(index)):.1f}" for index in range(1, count + 1))
        cpu = f"{low(runs, 'all'):.1f}", f"{mid(runs, 'all'):.1f}"
        rows.append([name, str(count), each, *cpu, f"{mid(runs, 'messages/s'):,.0f}"])
    hand_overs = []
    for kept in (True, False):
        one, two = requests[kept, 1], requests[kept, 2]
        share = mid(two, "handed")
        cost = (low(two, "cpu") - low(one, "cpu")) / share
        hand_overs.append(
            [
                "kept open" if kept else "a new one each",
                f"{low(one, 'cpu'):.0f}",
                f"{low(two, 'cpu'):.0f}",
                f"{share:.0%}",
                f"{cost:.0f}",
            ]
        )
    lines = [
        f"`python -m bench.workers`, {datetime.now(UTC):%d %B %Y, %H:%M} UTC: one process and two workers in turn,",
        f"{repeats} repeats. CPU is the process time, and the lowest of the repeats unless the head says median;",
        f"messages/s are medians. Load average of the machine during the runs: {min(loads):.1f} to {max(loads):.1f}.",
        "The second worker shares its core with the load client, PostgreSQL and Redis. So on two cores compare CPU per",
        "message, not messages/s.",
        "",
        table(["everything on", "workers", "CPU per message on each, µs", "all, µs", "median, µs", "messages/s"], rows),
        "",
        "The cost of a hand-over: sequential POSTs of polling; with two workers to sessions of both in turn. CPU is",
        "the sum of all workers.",
        "",
        table(
            [
                "connection",
                "CPU, one process, µs",
                "CPU, two workers, µs",
                "handed over",
                "CPU per hand-over, µs",
            ],
            hand_overs,
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
