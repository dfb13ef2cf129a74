"""Estimates a million viewers of one room from the measurements of a run: `docs/scale.md`. Called by report.py."""

from bench import goals
from bench.goals import Measurements, Quantity
from bench.servers import CLUSTER, GATEWAY, WRITERS
from bench.tables import table

NODES, VIEWERS = 200, 5000  # nodes, and viewers of each
SENT, SHOWN = 500, 50  # messages a second of the room, and those of them that everybody is shown (CHAT_DISPLAY_RATE)
GATHERED = 5  # messages in a batch of 100 ms (ROOM_WINDOW)
PLAIN, COMPRESSED = 525, 882 / 5  # bytes of a Korean message on the wire: alone, and in a compressed batch of five
MILLION = NODES * VIEWERS

DOCUMENT = f"""\
# A million viewers of one room

Written by `make bench`: an estimate for {NODES} nodes with {VIEWERS} viewers each, in a show whose chat gets {SENT}
messages a second. It is calculated from measured costs, not a measurement of {NODES} machines.

{{about}}

## Measured costs

{{measured}}

A Korean message is 525 bytes on the wire; five are 2625, compressed 882
([decision 0292](decisions/0292-compress-a-batch-once-for-a-room.md)). In `cluster` the 200 nodes are subscribers and
presences in one process, on one Redis.

## One second of the show

The room gets {SENT} messages. Each viewer gets {SHOWN} of them (`CHAT_DISPLAY_RATE`), in batches of {GATHERED}
(`ROOM_WINDOW`).

{{second}}

With 500 messages a second on 200 nodes most messages share no statement and no call of Redis, so their cost is that of
a message alone. It includes what PostgreSQL and Redis do without clients.

## All viewers reconnect at the same time

{{returns}}

## First limits

1. **Egress.** Without a sample and compression it is the first limit: see the bytes above.
2. **A storm of reconnects.** Redis has one core for the sessions and presence of all users: {{returns_rate}}
   reconnects a second. A Redis Cluster divides this load. Nodes refuse connects above `MAX_WAITING_CONNECTS`, clients
   reconnect by themselves with growing delays, and a node that drains spreads its connections over `DRAIN_SPREAD`.
3. **Messages of one room.** They take places under one row lock: {{room_rate}} from 40 nodes. One Redis
   publishes {{publish_rate}} a second to 200 nodes.
4. **CPU of a node.** Connects use the part of a core that deliveries leave. When a node dies, its viewers reconnect
   to 199 others: 25 each.

Not measured: real networks, a balancer for a million connections, and the CPU of a node for receiving 500 messages a
second and choosing the sample, and for deliveries of 525 bytes or of compressed batches.
"""


class Costs:
    """The medians of the measurements; None for missing ones."""

    def __init__(self, measurements: Measurements) -> None:
        def median(scenario: str, quantity: Quantity, server: str = GATEWAY) -> float | None:
            return quantity.median(measurements, scenario, server)

        show = f"show {VIEWERS} at {SHOWN}"
        self.node = median(show, goals.CPU_PERCENT)
        self.delivery = median(show, goals.CPU_PER_DELIVERY)
        self.message = median("full", goals.CPU_PER_MESSAGE)
        self.message_redis = median("full", goals.REDIS)
        self.message_postgres = median("full", goals.POSTGRES)
        self.room_rate = median("writers", goals.MESSAGES, WRITERS)
        self.publish = median("cluster", goals.PUBLISH, CLUSTER)
        self.presence = median("cluster", goals.ENTER, CLUSTER)
        self.beats = median("cluster", goals.BEATS, CLUSTER)
        self.person = median("cluster", goals.PERSON, CLUSTER)
        self.connect = median("full-connect", goals.CPU_PER_CONNECTION)
        self.back = median("storm 10000", goals.CPU_PER_CONNECTION)
        self.alone_postgres = median("storm 10000", goals.POSTGRES_ALONE)
        self.alone_redis = median("storm 10000", goals.REDIS_ALONE)
        self.back_redis = median("storm 10000", goals.REDIS)
        self.back_postgres = median("storm 10000", goals.POSTGRES)


def text(measurements: Measurements, about: str) -> str:
    """Return the document; `about` has the time and the machine of the measurements."""
    c = Costs(measurements)
    measured = [
        [
            "a delivery in a room of 5000, 50 messages a second",
            _quantity(c.delivery, "µs of the node", 2),
            f"`show {VIEWERS} at {SHOWN}`",
        ],
        ["such a room", _quantity(c.node, "% of a core of the node"), f"`show {VIEWERS} at {SHOWN}`"],
        ["a message with everything on: the node of the sender", _quantity(c.message, "µs"), "`full`"],
        ["the same: PostgreSQL", _quantity(c.message_postgres, "µs"), "`full`"],
        ["the same: Redis", _quantity(c.message_redis, "µs", 1), "`full`"],
        ["publishing a message to 200 nodes, 20 at a time", _quantity(c.publish, "µs of Redis"), "`cluster`"],
        ["counting a person who joins a room", _quantity(c.presence, "µs of Redis"), "`cluster`"],
        ["heartbeats of 200 nodes", _quantity(c.beats, "% of Redis' core", 1), "`cluster`"],
        ["a person in a room", _quantity(c.person, "bytes of Redis"), "`cluster`"],
        ["one room written from 40 nodes", _quantity(c.room_rate, "messages/s"), "`writers`"],
        ["a connect with everything on", _quantity(c.connect, "µs of the node"), "`full-connect`"],
        [
            "a message that shares no statement, at 64 a second: PostgreSQL",
            _quantity(c.alone_postgres, "µs"),
            "`storm`",
        ],
        ["the same: Redis", _quantity(c.alone_redis, "µs"), "`storm`"],
        ["a reconnect in a storm: the node", _quantity(c.back, "µs"), "`storm`"],
        ["the same: PostgreSQL", _quantity(c.back_postgres, "µs"), "`storm`"],
        ["the same: Redis", _quantity(c.back_redis, "µs"), "`storm`"],
    ]
    second = [
        [
            "CPU of the nodes for deliveries of 254 bytes, not compressed",
            _quantity(_times(c.node, NODES / 100), "cores"),
        ],
        ["bytes out, not compressed", _bits(PLAIN * SHOWN * MILLION)],
        ["bytes out, compressed for all viewers", _bits(COMPRESSED * SHOWN * MILLION)],
        ["bytes out without a sample, not compressed", _bits(PLAIN * SENT * MILLION)],
        ["bytes out of one node, compressed", _bits(COMPRESSED * SHOWN * VIEWERS)],
        ["Redis: publishing to 200 nodes", _share(_times(c.publish, SENT))],
        [
            "Redis: limits of the senders, and the other costs of a message",
            _share(_times(c.alone_redis, SENT)),
        ],
        ["Redis: heartbeats", _quantity(c.beats, "% of its core", 1)],
        ["PostgreSQL: storing", _share(_times(c.alone_postgres, SENT))],
    ]
    returns = [
        ["Redis, one core", _quantity(_times(c.back_redis, MILLION / 1e6), "s")],
        ["PostgreSQL, sum of its cores", _quantity(_times(c.back_postgres, MILLION / 1e6), "s")],
        ["each node, one core, its 5000 viewers", _quantity(_times(c.back, VIEWERS / 1e6), "s", 1)],
        ["memory of Redis for presence", _quantity(_times(c.person, MILLION / 1e6), "MB")],
    ]
    return DOCUMENT.format(
        about=about,
        measured=table(["what", "cost", "row of [performance.md](performance.md)"], measured),
        second=table(["what", "sum of all nodes"], second),
        returns=table(["resource", "cost"], returns),
        returns_rate=_rate(c.back_redis),
        room_rate=_quantity(c.room_rate, "messages a second"),
        publish_rate=_rate(c.publish),
    )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _quantity(value: float | None, unit: str, digits: int = 0) -> str:
    return "not measured" if value is None else f"{value:,.{digits}f} {unit}"


def _share(us: float | None) -> str:
    """Return µs a second as a share of a core."""
    return _quantity(_times(us, 1e-4), "% of a core", 1)


def _rate(us: float | None) -> str:
    return "an unknown number of" if not us else f"{1e6 / us:,.0f}"


def _bits(bytes_: float) -> str:
    return f"{bytes_ / 1e9:,.2f} GB, {bytes_ * 8 / 1e9:,.1f} Gbit"
