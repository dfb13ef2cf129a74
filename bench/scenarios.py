"""What is done to the servers: each scenario's load, and the servers it is done to. Used by run.py and stage.py."""

import re
from dataclasses import dataclass, replace
from enum import Enum, auto

from bench.servers import AT_ONCE, CLUSTER, GATEWAY, WRITERS


class Setup(Enum):
    """The servers of a scenario."""

    ALONE = auto()  # one server, engine only
    CROSS = auto()  # two with Redis: senders on one, members on the other
    LONE = auto()  # two with Redis: all clients on one
    FULL = auto()  # one with Redis and PostgreSQL, and all services
    MIXED = auto()  # the same, with HTTP requests
    TLS = auto()  # one server, engine only, behind HAProxy
    FAR = auto()  # one server, engine only, behind a slow network
    PROGRAM = auto()  # a program that creates its own load, with Redis and PostgreSQL


@dataclass(frozen=True)
class Scenario:
    """One measurement. `options` are the load client's, `servers` names of servers.py, the most important first."""

    name: str
    title: str
    options: str
    servers: tuple[str, ...]
    setup: Setup = Setup.ALONE
    settings: tuple[tuple[str, str], ...] = ()  # of the gateway, where they differ from those of stage.py


# A sender represents some dozens of people: it sends 50 to 400 messages a second. So it has a higher limit with a
# shorter window, which contains up to 170 messages; the default limit of a person is 20.
CHAT_LIMIT, CHAT_WINDOW = 1000, 1  # messages, s
MEMBERS = 1000
LARGE_ROOMS = (2000, 5000)
SHOW_RATES = (20, 50)  # messages a second
STORMS = (2000, 10_000)  # clients that reconnect at the same time
STORM_RATE = 64  # messages a second of others, before and during a storm

_NODES = (GATEWAY, "node-ws", "node-uws", "python")
_PAIR = (GATEWAY, "node-classic", "node-sharded")
_FULL = (GATEWAY, "node-full", "node-group")


def storm(clients: int) -> Scenario:
    """Return the storm of so many clients."""
    return Scenario(
        f"storm {clients}",
        f"everything on: {clients:,} clients in 64 rooms lose their connections at once, and reconnect with recovery "
        "and the delays of the official client; another client sends once a second in each room",
        f"-x -m storm -n {clients} -s 64 -r 64 -q {STORM_RATE} -W 3 -t 60",
        (GATEWAY,),
        Setup.FULL,
        (("CHAT_DISPLAY_RATE", "50"),),
    )


SCENARIOS = (
    Scenario(
        "single",
        f"the server broadcasts 100 messages to {MEMBERS} sockets, each after all have the previous one: no batches",
        f"-m fanout -n {MEMBERS} -b 1 -R 100",
        (GATEWAY, "node-ws", "c-limit", "node-uws", "python"),
    ),
    Scenario(
        "fan-out",
        f"the server broadcasts 8 × 40 messages to {MEMBERS} sockets, one per tick of its loop; the gateway joins the "
        "messages of a burst while it writes (`single` has the cost of one message)",
        f"-m fanout -n {MEMBERS} -b 40 -R 8",
        (GATEWAY, "node-ws", "c-limit", "node-uws", "python"),
    ),
    Scenario(
        "hot",
        f"{MEMBERS} members in one room, 8 of which send, 32 messages in flight",
        f"-m chat -D -n {MEMBERS - 8} -s 8 -r 1 -w 4",  # one more and the room would be large, with a window
        _NODES,
    ),
    Scenario(
        "rooms",
        "20 rooms of 51, each with one sender, up to 2 messages without an ack",
        f"-m chat -n {MEMBERS} -s 20 -r 20 -w 2",
        _NODES,
    ),
    Scenario(
        "cross",
        "two nodes: 4 senders on one, 500 members of the room on the other, 8 messages in flight",
        "-m chat -D -j -n 500 -s 4 -r 1 -w 2",
        _PAIR,
        Setup.CROSS,
    ),
    Scenario(
        "lone",
        "two nodes: 64 senders on one, each alone in a room; no members of these rooms on the other",
        "-m chat -D -n 0 -s 64 -r 64 -w 4",
        _PAIR,
        Setup.LONE,
    ),
    Scenario(
        "ingest",
        "64 senders, each alone in a room, up to 4 messages without an ack",
        "-m chat -n 0 -s 64 -r 64 -w 4",
        (GATEWAY, "node-ws", "node-uws", "python", "c-limit"),
    ),
    Scenario(
        "full",
        "everything on, 64 rooms: 64 senders, each alone in a room, up to 4 messages without an ack",
        "-x -m chat -n 0 -s 64 -r 64 -w 4",
        _FULL,
        Setup.FULL,
    ),
    Scenario(
        "full-room",
        "everything on, 8 rooms: 64 senders, 8 in each room, up to 4 messages without an ack",
        "-x -m chat -n 0 -s 64 -r 8 -w 4",
        _FULL,
        Setup.FULL,
    ),
    Scenario(
        "full-people",
        "everything on, 64 rooms of 4 people, who each send one message after the other",
        "-x -m chat -n 0 -s 256 -r 64 -w 1",
        _FULL,
        Setup.FULL,
    ),
    Scenario(
        "full-people-room",
        "everything on, 8 rooms of 32 people, who each send one message after the other",
        "-x -m chat -n 0 -s 256 -r 8 -w 1",
        _FULL,
        Setup.FULL,
    ),
    Scenario(
        "full-few",
        "everything on, smaller batches: 16 senders, each alone in a room, one message without an ack",
        "-x -m chat -n 0 -s 16 -r 16 -w 1",
        _FULL,
        Setup.FULL,
    ),
    Scenario(
        "writers",
        "one room written from 40 nodes, simulated by 40 chat services in one process, each with its own connection "
        "to Redis and 8 messages in flight, and one pool of 40 connections to PostgreSQL; without sockets, limits and "
        "members",
        "--writers 40 --ahead 8",
        (WRITERS,),
        Setup.PROGRAM,
    ),
    Scenario(
        "cluster",
        "one Redis with 200 nodes, simulated by subscribers and presences in one process: 640 bytes to all nodes, 20 "
        "messages at a time; 20,000 people join one room; only heartbeats",
        "--nodes 200 --people 20000",
        (CLUSTER,),
        Setup.PROGRAM,
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
        (GATEWAY, "node-full"),  # group commit does not change a connect
        Setup.FULL,
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
            f"one room of {size}, {rate} messages a second; the gateway gathers for 100 ms, or not",
            f"-m rate -n {size} -s 1 -q {rate}",
            (GATEWAY, AT_ONCE, "node-ws", "node-uws"),
        )
        for size in LARGE_ROOMS
        for rate in SHOW_RATES
    ),
    Scenario(
        "show-deflate",
        "the room of 2000 at 50, with members that offer permessage-deflate",
        "-z -m rate -n 2000 -s 1 -q 50",
        (GATEWAY,),
    ),
    Scenario(
        "mixed",
        "everything on: 1000 members of one show, 30 messages a second, 20 members a second leave and others join with "
        "history, 35 reads and 5 stock changes a second over HTTP",
        "-x -m rate -n 1000 -s 30 -q 30 -u 20",
        (GATEWAY,),
        Setup.MIXED,
        (("CHAT_DISPLAY_RATE", "50"),),
    ),
    *(storm(clients) for clients in STORMS),
    Scenario(
        "tls",
        "500 members, 20 messages/s, behind HAProxy with TLS",
        "-m rate -n 500 -s 1 -q 20",
        (GATEWAY, "node-ws"),
        Setup.TLS,
    ),
    Scenario(
        "tls-connect",
        "1000 clients connect through HAProxy with TLS, each by a full handshake",
        "-m connect -n 1000 -c 64",
        (GATEWAY, "node-ws"),
        Setup.TLS,
    ),
    Scenario(
        "far",
        "100 members, 20 messages/s, over a network of 80 ms (40 each way) that loses 1 % of the packets of "
        "each direction",
        "-m rate -n 100 -s 1 -q 20",
        (GATEWAY, "node-ws", "node-uws"),
        Setup.FAR,
    ),
    Scenario(
        "slow",
        "one of 11 members stops reading while its room gets 50,000 messages",
        "-m fanout -n 11 -b 500 -R 100 -S 1",
        _NODES,
    ),
)

# Not repeated: these exceed their goals by factors, or take long.
ONCE = frozenset(("fan-out", "hot", "rooms", "cross", "connect-3", "slow", "storm"))

# For the plots: the points of each line.
ROOM_SIZES = (10, 100, 1000, 8000)
RATES = (5, 20, 60, 150)  # messages/s to 500 members
CONNECTIONS = (1000, 4000, 10_000)


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
    *(Scenario(f"connect {n}", f"{n} idle connections", f"-m connect -n {n} -c 64", _NODES[:3]) for n in CONNECTIONS),
)


def family(scenario: Scenario) -> str:
    """Return the name of a scenario without its size or rate."""
    return scenario.name.partition(" ")[0]


def timed(scenario: Scenario, seconds: float, warm_up: float) -> Scenario:
    """Return the scenario with another measuring time, if it ends by time."""
    if WRITERS in scenario.servers or re.search("-m (chat|rate)", scenario.options):
        return replace(scenario, options=f"-t {seconds} -W {warm_up} {scenario.options}")
    return scenario
