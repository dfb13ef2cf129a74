"""The table of goals: what is compared with what, and whether the goal is met. Used by run.py and report.py."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.servers import GATEWAY

Measurements = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]  # by scenario and server, the repeats

NOTHING = 0.1  # µs per message; less is the node's own heartbeat


@dataclass(frozen=True)
class Quantity:
    """One number of a measurement."""

    name: str
    unit: str
    read: Callable[[Mapping[str, Any]], float]
    digits: int = 0

    def median(self, measurements: Measurements, scenario: str, server: str) -> float | None:
        """Over the repeats; None if there is none."""
        repeats = measurements.get((scenario, server))
        return statistics.median(map(self.read, repeats)) if repeats else None

    def text(self, value: float | None) -> str:
        """For people."""
        return "–" if value is None else f"{value:,.{self.digits}f}"


def _per_delivery(measurement: Mapping[str, Any]) -> float:
    """In rooms, the CPU time per message spread over the deliveries; alone, what the load client says."""
    if "cpu_us_per_delivery" in measurement:
        return float(measurement["cpu_us_per_delivery"])
    return float(measurement["cpu_us"][0])


CPU_PER_DELIVERY = Quantity("CPU per delivery", "µs", _per_delivery, 2)
CPU_PER_MESSAGE = Quantity("CPU per message", "µs", lambda m: float(m["cpu_us"][0]), 1)
CPU_OF_SECOND = Quantity("CPU of the other node per message", "µs", lambda m: float(m["cpu_us"][1]), 2)
CPU_PER_CONNECTION = Quantity("CPU per connection", "µs", lambda m: float(m["cpu_us"][0]), 0)
DELIVERIES = Quantity("deliveries/s", "", lambda m: float(m["deliveries_per_s"]))
MESSAGES = Quantity("messages/s", "", lambda m: float(m["messages_per_s"]))
CONNECTIONS = Quantity("connections/s", "", lambda m: float(m["connections_per_s"]))
MEMORY = Quantity("memory per connection", "kB", lambda m: float(m["rss_kb_per_connection"]), 1)
TOTAL_MEMORY = Quantity("memory", "MB", lambda m: float(m["rss_mb"]))
ACK_P50 = Quantity("ack p50", "ms", lambda m: float(m["ack_p50_us"]) / 1000, 2)
ACK_P99 = Quantity("ack p99", "ms", lambda m: float(m["ack_p99_us"]) / 1000, 2)
P50 = Quantity("delivery p50", "ms", lambda m: float(m["delivery_p50_us"]) / 1000, 2)
P99 = Quantity("delivery p99", "ms", lambda m: float(m["delivery_p99_us"]) / 1000, 2)
GROWTH = Quantity("growth of memory", "MiB", lambda m: float(m["growth_mb"]) / 1.048576, 1)


@dataclass(frozen=True)
class Goal:
    """A row: ours divided by the reference's must be at most (or at least) the limit; absolute without a `ratio`."""

    what: str
    scenario: str
    quantity: Quantity
    reference: str
    limit: float
    at_least: bool = False
    ratio: bool = True

    def text(self) -> str:
        """Return the goal as text."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.limit:g}" + (" ×" if self.ratio else f" {self.quantity.unit}")


@dataclass(frozen=True)
class Verdict:
    """How a goal stands. `met` is None if something could not be measured."""

    goal: Goal
    ours: float | None
    theirs: float | None
    ratio: float | None
    met: bool | None


GOALS = (
    Goal("Fan-out to 1000 on one node", "fan-out", CPU_PER_DELIVERY, "node-ws", 0.5),
    Goal("Fan-out to 1000, level with uWebSockets.js", "fan-out", CPU_PER_DELIVERY, "node-uws", 1.0),
    Goal("Fan-out to 1000, one message at a time", "single", CPU_PER_DELIVERY, "c-limit", 1.3),
    Goal("One hot room of 1000", "hot", DELIVERIES, "node-ws", 15, at_least=True),
    Goal("20 rooms of 51", "rooms", DELIVERIES, "node-ws", 3, at_least=True),
    Goal("Across two nodes: the receiver", "cross", CPU_PER_DELIVERY, "node-classic", 0.25),
    Goal("Across two nodes: the sender", "cross", CPU_OF_SECOND, "node-classic", 0.25),
    Goal("One node through Redis", "lone", MESSAGES, "node-classic", 2.5, at_least=True),
    Goal("A node without members of the room", "lone", CPU_OF_SECOND, "node-classic", NOTHING, ratio=False),
    Goal("Ingest with ack, engine only", "ingest", CPU_PER_MESSAGE, "node-ws", 0.55),
    Goal("Ingest with everything on", "full", MESSAGES, "node-full", 1.5, at_least=True),
    Goal("Connecting, authenticated", "connect", CONNECTIONS, "node-ws", 3, at_least=True),
    Goal("Idle connection, one namespace", "connect", MEMORY, "node-ws", 0.35),
    Goal("Idle connection, three namespaces", "connect-3", MEMORY, "node-ws", 0.35),
    Goal("Delivery p99 at 10,000 deliveries/s", "steady", P99, "node-ws", 0.6),
    Goal("A client that stops reading", "slow", GROWTH, "node-ws", 2, ratio=False),
)


# What a verdict needs; everything else is measured once, for the record.
NEEDED = frozenset((goal.scenario, server) for goal in GOALS for server in (GATEWAY, goal.reference))


def judge(goal: Goal, measurements: Measurements) -> Verdict:
    """How a goal stands by the medians of what was measured."""
    ours = goal.quantity.median(measurements, goal.scenario, GATEWAY)
    theirs = goal.quantity.median(measurements, goal.scenario, goal.reference)
    ratio = ours / theirs if ours is not None and theirs else None
    value = ratio if goal.ratio else ours
    met = None if value is None else value >= goal.limit if goal.at_least else value <= goal.limit
    return Verdict(goal, ours, theirs, ratio, met)
