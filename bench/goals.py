"""The goals of the benchmark, and whether measurements meet them. Used by run.py and report.py."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bench.scenarios import STORM_RATE
from bench.servers import AT_ONCE, GATEWAY, WRITERS

Measurements = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]  # by scenario and server, the repeats

# Cores used by other processes: a repeat with more does not count if there is one with less.
DISTURBED = 0.15
NOTHING = 0.1  # µs per message; the node's heartbeat takes less


def disturbed(measurement: Mapping[str, Any]) -> bool:
    """Return whether other processes used the cores during a measurement."""
    return float(measurement.get("others", 0)) > DISTURBED


def undisturbed(repeats: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the repeats that were not disturbed, or all if all were."""
    return [each for each in repeats if not disturbed(each)] or repeats


@dataclass(frozen=True)
class Quantity:
    """One number of a measurement."""

    name: str
    unit: str
    read: Callable[[Mapping[str, Any]], float]
    digits: int = 0

    def median(self, measurements: Measurements, scenario: str, server: str) -> float | None:
        """Return the median of the repeats that were not disturbed, or of all; None without measurements."""
        values = []
        for measurement in undisturbed(measurements.get((scenario, server), ())):
            with suppress(KeyError):
                values.append(self.read(measurement))
        return statistics.median(values) if values else None

    def text(self, value: float | None) -> str:
        """Return a value as text."""
        return "–" if value is None or math.isnan(value) else f"{value:,.{self.digits}f}"


def _known(key: str, factor: float = 1.0) -> Callable[[Mapping[str, Any]], float]:
    return lambda measurement: float(measurement[key]) * factor


def _with_others(server: str) -> Callable[[Mapping[str, Any]], float]:
    """Return the CPU for each return in a storm with that for the messages of the others, which load.c subtracts."""

    def read(measurement: Mapping[str, Any]) -> float:
        others = measurement[f"quiet_{server}_percent"] * 1e4 * measurement["seconds"] / measurement["back"]
        return float(measurement[f"{server}_us"] + others)

    return read


def _alone(server: str) -> Callable[[Mapping[str, Any]], float]:
    """Return the CPU for a message before a storm, where it shares no statement; what serves no client is included."""
    return lambda measurement: float(measurement[f"quiet_{server}_percent"] * 1e4 / STORM_RATE)


def _per_delivery(measurement: Mapping[str, Any]) -> float:
    """Return the CPU time per delivery; without it, the CPU time per message."""
    if "cpu_us_per_delivery" in measurement:
        return float(measurement["cpu_us_per_delivery"])
    return float(measurement["cpu_us"][0])


CPU_PER_DELIVERY = Quantity("CPU per delivery", "µs", _per_delivery, 2)
CPU_PER_MESSAGE = Quantity("CPU per message", "µs", lambda m: float(m["cpu_us"][0]), 1)
CPU_OF_SECOND = Quantity("CPU of the other node per message", "µs", lambda m: float(m["cpu_us"][1]), 2)
CPU_OF_PROXY = Quantity("CPU of HAProxy", "µs", lambda m: float(m["cpu_us"][1]), 1)
CPU_PERCENT = Quantity("CPU of a core", "%", lambda m: float(m["cpu_percent"][0]), 0)
PROXY_PERCENT = Quantity("HAProxy's CPU of a core", "%", lambda m: float(m["cpu_percent"][1]), 0)
REDIS = Quantity("CPU of Redis", "µs", _known("redis_us"), 1)
POSTGRES = Quantity("CPU of PostgreSQL", "µs", _known("postgres_us"), 1)
POSTGRES_WITH_OTHERS = Quantity("the same with others, PostgreSQL", "µs", _with_others("postgres"), 1)
REDIS_WITH_OTHERS = Quantity("the same with others, Redis", "µs", _with_others("redis"), 1)
POSTGRES_ALONE = Quantity("CPU of PostgreSQL for a message alone", "µs", _alone("postgres"), 0)
REDIS_ALONE = Quantity("CPU of Redis for a message alone", "µs", _alone("redis"), 0)
BATCH = Quantity("messages in a statement", "", _known("batch"), 1)
PAUSE = Quantity("longest pause of the garbage collector", "ms", _known("longest_pause_ms"), 1)
BYTES = Quantity("bytes per delivery", "", _known("bytes_per_delivery"))
JOIN_P50 = Quantity("join p50", "ms", _known("join_p50_us", 1e-3), 1)
JOIN_P99 = Quantity("join p99", "ms", _known("join_p99_us", 1e-3), 1)
HTTP_P50 = Quantity("HTTP p50", "ms", _known("http_p50_us", 1e-3), 1)
HTTP_P99 = Quantity("HTTP p99", "ms", _known("http_p99_us", 1e-3), 1)
BACK = Quantity("back", "", _known("back"))
RECOVERED = Quantity("recovered", "", _known("recovered"))
REFUSED = Quantity("refused for the moment", "", _known("refused"))
NOT_STORED = Quantity("messages of others refused", "", _known("not_stored"))
PUBLISH = Quantity("CPU of Redis per message to all", "µs", _known("publish_redis_us"), 1)
ENTER = Quantity("CPU of Redis per join", "µs", _known("join_redis_us"), 1)
ENTERS = Quantity("joins/s", "", _known("joins_per_s"))
BEATS = Quantity("heartbeats, of Redis' core", "%", _known("idle_percent"), 1)
PERSON = Quantity("bytes of Redis per person", "", _known("bytes_per_person"))
RETURN = Quantity("until all are back", "s", _known("seconds"), 1)
RETURN_P50 = Quantity("return p50", "s", _known("join_p50_us", 1e-6), 1)
OTHERS_BEFORE = Quantity("p99 of others before", "ms", _known("quiet_p99_us", 1e-3), 0)
OTHERS_P99 = Quantity("p99 of others, storm", "ms", _known("delivery_p99_us", 1e-3), 0)
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
    """A row: our value divided by the reference's must be at most (or at least) `limit`; without `ratio`, our value."""

    what: str
    scenario: str
    quantity: Quantity
    reference: str | None
    limit: float
    at_least: bool = False
    ratio: bool = True
    ours: str = GATEWAY

    def text(self) -> str:
        """Return the goal as text."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.limit:,g}" + (" ×" if self.ratio else f" {self.quantity.unit}")


def absolute(
    what: str, scenario: str, quantity: Quantity, limit: float, *, at_least: bool = False, ours: str = GATEWAY
) -> Goal:
    """Return a goal without a reference."""
    return Goal(what, scenario, quantity, None, limit, at_least, ratio=False, ours=ours)


@dataclass(frozen=True)
class Verdict:
    """The result of a goal. `met` is None if a value is missing."""

    goal: Goal
    ours: float | None
    theirs: float | None
    ratio: float | None
    met: bool | None
    disturbed: bool  # whether all repeats of one side were disturbed


GOALS = (
    # the whole path of a message
    absolute("Everything on, 64 rooms: the gateway", "full", CPU_PER_MESSAGE, 80),
    Goal("… beside Node with the same work", "full", CPU_PER_MESSAGE, "node-full", 0.35),
    Goal("… beside Node with group commit", "full", CPU_PER_MESSAGE, "node-group", 0.6),
    absolute("Everything on, 8 rooms: the gateway", "full-room", CPU_PER_MESSAGE, 90),
    Goal("… beside Node with the same work", "full-room", CPU_PER_MESSAGE, "node-full", 0.35),
    Goal("… beside Node with group commit", "full-room", CPU_PER_MESSAGE, "node-group", 0.6),
    Goal("64 rooms of 4 people: beside Node, same work", "full-people", CPU_PER_MESSAGE, "node-full", 0.35),
    Goal("… beside Node with group commit", "full-people", CPU_PER_MESSAGE, "node-group", 0.6),
    Goal("8 rooms of 32 people: beside Node, same work", "full-people-room", CPU_PER_MESSAGE, "node-full", 0.35),
    Goal("… beside Node with group commit", "full-people-room", CPU_PER_MESSAGE, "node-group", 0.6),
    absolute("Everything on, 64 rooms: PostgreSQL", "full", POSTGRES, 60),
    absolute("Everything on, 64 rooms: Redis", "full", REDIS, 15),
    Goal("Everything on: rate, beside a statement for each message", "full", MESSAGES, "node-full", 1.5, at_least=True),
    Goal("… beside Node with group commit", "full", MESSAGES, "node-group", 1, at_least=True),
    # connecting with everything on
    absolute("Connecting with everything on: the gateway", "full-connect", CPU_PER_CONNECTION, 800),
    absolute("Connecting with everything on: PostgreSQL", "full-connect", POSTGRES, 100),
    absolute("Connecting with everything on: Redis", "full-connect", REDIS, 80),
    # large rooms and storms
    absolute("A room of 5000 at 50 messages/s", "show 5000 at 50", CPU_PERCENT, 60),
    absolute("A room of 5000 at 50 messages/s", "show 5000 at 50", P99, 200),
    Goal("A room of 2000 at 50: with a window", "show 2000 at 50", CPU_PER_DELIVERY, AT_ONCE, 0.25),
    absolute("One room written from 40 nodes", "writers", MESSAGES, 3000, at_least=True, ours=WRITERS),
    absolute("One room written from 40 nodes", "writers", ACK_P99, 250, ours=WRITERS),
    absolute("A storm of 10,000: Redis for each who returns", "storm 10000", REDIS, 100),
    absolute("A storm of 10,000: PostgreSQL for each who returns", "storm 10000", POSTGRES, 100),
    absolute("A storm of 10,000: all are back", "storm 10000", RETURN, 30),
    absolute("A storm of 10,000: others", "storm 10000", OTHERS_P99, 1000),
    # the engine
    Goal("Ingest with ack, engine only", "ingest", CPU_PER_MESSAGE, "node-ws", 0.5),
    Goal("… level with uWebSockets.js", "ingest", CPU_PER_MESSAGE, "node-uws", 1.1),
    Goal("Connecting, engine only", "connect", CPU_PER_CONNECTION, "node-ws", 0.26),
    Goal("A single message to 1000", "single", CPU_PER_DELIVERY, "c-limit", 1.4),
    Goal("Delivery p99 at 10,000 deliveries/s", "steady", P99, "node-ws", 0.6),
    Goal("A burst to 1000", "fan-out", CPU_PER_DELIVERY, "node-ws", 0.5),
    Goal("… level with uWebSockets.js", "fan-out", CPU_PER_DELIVERY, "node-uws", 1.0),
    Goal("One hot room of 1000", "hot", DELIVERIES, "node-ws", 15, at_least=True),
    Goal("20 rooms of 51", "rooms", DELIVERIES, "node-ws", 3, at_least=True),
    Goal("Across two nodes: the receiver", "cross", CPU_PER_DELIVERY, "node-classic", 0.25),
    Goal("Across two nodes: the sender", "cross", CPU_OF_SECOND, "node-classic", 0.25),
    Goal("One node through Redis", "lone", MESSAGES, "node-classic", 2.5, at_least=True),
    absolute("A node without members of the room", "lone", CPU_OF_SECOND, NOTHING),
    Goal("Idle connection, one namespace", "connect", MEMORY, "node-ws", 0.35),
    Goal("Idle connection, three namespaces", "connect-3", MEMORY, "node-ws", 0.35),
    absolute("A client that stops reading", "slow", GROWTH, 2),
)


# The measurements that goals need; the others are made once.
NEEDED = frozenset((goal.scenario, server) for goal in GOALS for server in (goal.ours, goal.reference) if server)


def judge(goal: Goal, measurements: Measurements) -> Verdict:
    """Return the result of a goal, by the medians of the measurements."""
    ours = goal.quantity.median(measurements, goal.scenario, goal.ours)
    theirs = goal.quantity.median(measurements, goal.scenario, goal.reference) if goal.reference else None
    ratio = ours / theirs if ours is not None and theirs else None
    value = ratio if goal.ratio else ours
    met = None if value is None else value >= goal.limit if goal.at_least else value <= goal.limit
    sides = [measurements.get((goal.scenario, server), ()) for server in (goal.ours, goal.reference) if server]
    marked = any(repeats and all(map(disturbed, repeats)) for repeats in sides)
    return Verdict(goal, ours, theirs, ratio, met, marked)
