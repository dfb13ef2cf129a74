"""What is done to the servers: each scenario's load, and the servers it is done to. Used by run.py and stage.py."""

from dataclasses import dataclass, replace
from enum import Enum, auto

from bench.servers import GATEWAY


class Place(Enum):
    """What a scenario is played on."""

    ALONE = auto()  # one server, engine only
    CROSS = auto()  # two over Redis: senders on one, members on the other
    LONE = auto()  # two over Redis: everybody on one
    FULL = auto()  # one with Redis and PostgreSQL, everything on


@dataclass(frozen=True)
class Scenario:
    """One measurement. `options` are the load client's, `servers` names from servers.py, those that matter first."""

    name: str
    title: str
    options: str
    servers: tuple[str, ...]
    place: Place = Place.ALONE


MEMBERS = 1000
LARGE_ROOMS = (2000, 5000)
SHOW_RATES = (20, 50)  # messages a second

_NODES = (GATEWAY, "node-ws", "node-uws", "python")
_PAIR = (GATEWAY, "node-classic", "node-sharded")
_FULL = (GATEWAY, "node-full")

SCENARIOS = (
    Scenario(
        "fan-out",
        f"the server broadcasts 8 × 40 messages to {MEMBERS} sockets, one per tick of its loop; "
        "the gateway joins those that come while it writes",
        f"-m fanout -n {MEMBERS} -b 40 -R 8",
        (GATEWAY, "node-ws", "c-limit", "node-uws", "python"),
    ),
    Scenario(
        "single",
        f"the server broadcasts 100 messages to {MEMBERS} sockets, each when all have the one before: nothing to join",
        f"-m fanout -n {MEMBERS} -b 1 -R 100",
        (GATEWAY, "node-ws", "c-limit", "node-uws", "python"),
    ),
    Scenario(
        "hot",
        f"{MEMBERS} members and 8 senders in one room, 32 messages in flight",
        f"-m chat -D -n {MEMBERS} -s 8 -r 1 -w 4",
        _NODES,
    ),
    Scenario(
        "rooms",
        "20 rooms of 51, a sender in each with two messages ahead of the acks",
        f"-m chat -n {MEMBERS} -s 20 -r 20 -w 2",
        _NODES,
    ),
    Scenario(
        "cross",
        "two nodes: 4 senders on one, 500 members of the room on the other, 8 messages in flight",
        "-m chat -D -j -n 500 -s 4 -r 1 -w 2",
        _PAIR,
        Place.CROSS,
    ),
    Scenario(
        "lone",
        "two nodes: 64 senders, each alone in a room, on one; nobody of those rooms on the other",
        "-m chat -D -n 0 -s 64 -r 64 -w 4",
        _PAIR,
        Place.LONE,
    ),
    Scenario(
        "ingest",
        "64 senders, each alone in a room, 4 messages ahead of the acks",
        "-m chat -n 0 -s 64 -r 64 -w 4",
        (GATEWAY, "node-ws", "node-uws", "python", "c-limit"),
    ),
    Scenario(
        "full",
        "everything on, 64 rooms: 64 senders, each alone in a room, 4 messages ahead of the acks",
        "-x -m chat -n 0 -s 64 -r 64 -w 4",
        _FULL,
        Place.FULL,
    ),
    Scenario(
        "full-room",
        "everything on, 8 rooms: 64 senders, each hears 7 others, 4 messages ahead of the acks",
        "-x -m chat -n 0 -s 64 -r 8 -w 4",
        _FULL,
        Place.FULL,
    ),
    Scenario("connect", "3000 clients with tokens, 64 at a time, then idle", "-m connect -n 3000 -c 64", _NODES),
    Scenario(
        "connect-3",
        "the same, each in all three namespaces",
        "-m connect -N 3 -n 3000 -c 64",
        _NODES,
    ),
    Scenario(
        "full-connect",
        "the same with everything on, in `/chat`: token, revocations, account",
        "-x -m connect -n 3000 -c 64",
        _FULL,
        Place.FULL,
    ),
    Scenario(
        "steady",
        "10,000 deliveries/s: 20 messages/s to 500 members",
        "-m rate -n 500 -s 1 -q 20",
        _NODES,
    ),
    *(
        Scenario(
            f"show {size} at {rate}",
            f"one room of {size}, {rate} messages a second; the gateway gathers for 100 ms",
            f"-m rate -n {size} -s 1 -q {rate}",
            (GATEWAY, "node-ws", "node-uws"),
        )
        for size in LARGE_ROOMS
        for rate in SHOW_RATES
    ),
    Scenario(
        "slow",
        "one of 11 members stops reading while its room hears 50,000 messages",
        "-m fanout -n 11 -b 500 -R 100 -S 1",
        _NODES,
    ),
)

# For the plots: the points of each line.
ROOM_SIZES = (10, 100, 1000, 8000)
RATES = (5, 20, 60, 120, 200)  # messages/s to 500 members
CONNECTIONS = (1000, 4000, 8000)


def _sweep(size: int) -> Scenario:
    # Some 160,000 deliveries each, in bursts of one sixth.
    burst = max(4, 160_000 // size // 6)
    options = f"-m fanout -n {size} -b {burst} -R 6"
    return Scenario(f"fan-out {size}", f"fan-out to {size}", options, (GATEWAY, "node-ws", "node-uws", "c-limit"))


SWEEPS = (
    *(_sweep(size) for size in ROOM_SIZES),
    *(
        Scenario(f"steady {rate}", f"{rate * 500} deliveries/s", f"-m rate -n 500 -s 1 -q {rate} -t 2", _NODES[:3])
        for rate in RATES
    ),
    *(Scenario(f"connect {n}", f"{n} idle connections", f"-m connect -n {n} -c 64", _NODES) for n in CONNECTIONS),
)


def timed(scenario: Scenario, seconds: float, warm_up: float) -> Scenario:
    """Return the scenario with another measuring time, if time ends it."""
    if "-m chat" in scenario.options or "-m rate" in scenario.options:
        return replace(scenario, options=f"-t {seconds} -W {warm_up} {scenario.options}")
    return scenario
