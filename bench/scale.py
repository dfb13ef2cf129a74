"""The arithmetic of a million viewers of one room, from what a run has measured: `docs/scale.md`. Called by "
"report.py."""

from bench import goals
from bench.goals import Measurements, Quantity
from bench.servers import CLUSTER, GATEWAY, WRITERS
from bench.tables import table

NODES, VIEWERS = 200, 5000  # nodes, and viewers of each
SENT, SHOWN = 500, 50  # messages a second of the room, and those of them that everybody is shown (CHAT_DISPLAY_RATE)
GATHERED = 5  # messages in a batch of 100 ms (ROOM_WINDOW)
PLAIN, COMPRESSED = (
    525,
    882 / 5,
)  # bytes of a Korean message on the wire, and of one of five that are compressed together
MILLION = NODES * VIEWERS

DOCUMENT = f"""\
# A million viewers of one room

Written by `make bench`: the arithmetic, from the costs that it measured, of {NODES} nodes with {VIEWERS} viewers each
in a show whose chat gets {SENT} messages a second. It is not a measurement of {NODES} machines.

{{about}}

## What was measured

{{measured}}

A Korean message is 525 bytes on the wire; five together are 2625, compressed 882
([decision 0292](decisions/0292-compress-a-batch-once-for-a-room.md)). In `cluster` the 200 nodes are subscribers and
presences in one process against one Redis.

## A second of the show

{SENT} messages come in. Everybody is shown {SHOWN} of them (`CHAT_DISPLAY_RATE`), {GATHERED} at a time (`ROOM_WINDOW`).

{{second}}

## All of them come back at once

{{returns}}

## Where it breaks first

1. **Egress.** Without a sample and compression nothing else matters: see the bytes above.
2. **A storm of returns.** Redis has one core for everybody's sessions and presence: {{returns_rate}} returns a second.
   A cluster of Redis divides its part. Nodes refuse what they cannot authenticate (`MAX_WAITING_CONNECTS`), clients
   come back by themselves with growing delays, and a node that drains spreads its own over `DRAIN_SPREAD`.
3. **Messages of one room.** They take places under one row lock: {{room_rate}} from 40 nodes. One Redis
   publishes {{publish_rate}} a second to 200 nodes.
4. **A node's CPU.** What deliveries leave of its core is for connects. A node that dies sends its viewers to 199
   others: 25 each.

Not known: real networks, and a balancer for a million connections.
"""


class Costs:
    """What was measured, None for what was not."""

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
        self.room_postgres = median("writers", goals.POSTGRES, WRITERS)
        self.publish = median("cluster", goals.PUBLISH, CLUSTER)
        self.presence = median("cluster", goals.ENTER, CLUSTER)
        self.beats = median("cluster", goals.BEATS, CLUSTER)
        self.person = median("cluster", goals.PERSON, CLUSTER)
        self.connect = median("full-connect", goals.CPU_PER_CONNECTION)
        self.back = median("storm 10000", goals.CPU_PER_CONNECTION)
        self.back_redis = median("storm 10000", goals.REDIS)
        self.back_postgres = median("storm 10000", goals.POSTGRES)


def text(measurements: Measurements, about: str) -> str:
    """Return the document; `about` says when and where was measured."""
    c = Costs(measurements)
    measured = [
        [
            "a delivery in a room of 5000, 50 messages a second",
            _say(c.delivery, "µs of the node", 2),
            f"`show {VIEWERS}`",
        ],
        ["such a room", _say(c.node, "% of a core of the node"), f"`show {VIEWERS}`"],
        ["a message with everything on: the node that takes it", _say(c.message, "µs"), "`full`"],
        ["the same: PostgreSQL", _say(c.message_postgres, "µs"), "`full`"],
        ["the same: Redis", _say(c.message_redis, "µs", 1), "`full`"],
        ["publishing a message to 200 nodes, 20 at a time", _say(c.publish, "µs of Redis"), "`cluster`"],
        ["counting somebody who comes to a room", _say(c.presence, "µs of Redis"), "`cluster`"],
        ["heartbeats of 200 nodes", _say(c.beats, "% of Redis' core", 1), "`cluster`"],
        ["somebody who is in a room", _say(c.person, "bytes of Redis"), "`cluster`"],
        ["one room written from 40 nodes", _say(c.room_rate, "messages/s"), "`writers`"],
        ["connecting with everything on", _say(c.connect, "µs of the node"), "`full-connect`"],
        ["coming back in a storm: the node", _say(c.back, "µs"), "`storm`"],
        ["the same: PostgreSQL", _say(c.back_postgres, "µs"), "`storm`"],
        ["the same: Redis", _say(c.back_redis, "µs"), "`storm`"],
    ]
    second = [
        ["CPU of the nodes for deliveries", _say(_times(c.node, NODES / 100), "cores")],
        ["bytes out, not compressed", _bits(PLAIN * SHOWN * MILLION)],
        ["bytes out, compressed for everybody", _bits(COMPRESSED * SHOWN * MILLION)],
        ["bytes out without a sample, not compressed", _bits(PLAIN * SENT * MILLION)],
        ["bytes out of one node, compressed", _bits(COMPRESSED * SHOWN * VIEWERS)],
        ["Redis: publishing to 200 nodes", _share(_times(c.publish, SENT))],
        [
            "Redis: the limits of the senders, and what else a message costs there",
            _share(_times(c.message_redis, SENT)),
        ],
        ["Redis: heartbeats", _say(c.beats, "% of its core", 1)],
        ["PostgreSQL: storing", _share(_times(c.message_postgres, SENT))],
    ]
    returns = [
        ["Redis, one core", _say(_times(c.back_redis, MILLION / 1e6), "s")],
        ["PostgreSQL, all of its cores together", _say(_times(c.back_postgres, MILLION / 1e6), "s")],
        ["each node, one core, its 5000", _say(_times(c.back, VIEWERS / 1e6), "s", 1)],
        ["memory of Redis for who is there", _say(_times(c.person, MILLION / 1e6), "MB")],
    ]
    return DOCUMENT.format(
        about=about,
        measured=table(["what", "cost", "row of [performance.md](performance.md)"], measured),
        second=table(["what", "all nodes together"], second),
        returns=table(["what it takes", ""], returns),
        returns_rate=_rate(c.back_redis),
        room_rate=_say(c.room_rate, "messages a second"),
        publish_rate=_rate(c.publish),
    )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _say(value: float | None, unit: str, digits: int = 0) -> str:
    return "not measured" if value is None else f"{value:,.{digits}f} {unit}"


def _share(us: float | None) -> str:
    """Return what µs in each second are of a core."""
    return _say(_times(us, 1e-4), "% of a core", 1)


def _rate(us: float | None) -> str:
    return "not measured how many" if not us else f"{1e6 / us:,.0f}"


def _bits(bytes_: float) -> str:
    return f"{bytes_ / 1e9:,.2f} GB, {bytes_ * 8 / 1e9:,.1f} Gbit"
