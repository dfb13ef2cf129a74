"""What PostgreSQL reads for a request does not grow with what is stored, also by plans from when nothing was stored."""

import asyncio
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from gateway import services
from gateway.postgres.configuration import configuration
from gateway.protocol.wire import Since
from gateway.redis.client import RedisClient
from gateway.services.analytics.chat_counter import COUNTS
from gateway.services.streams.stats import STATS
from tests.integration.chat_nodes import KEY, ChatNodes
from tests.integration.services import older
from tests.support import make_settings

STORED = 20_000
BATCH = 200
WARM = 10  # times that a statement runs before its plan is kept: PostgreSQL plans the first five again

# Tables that may grow by thousands of rows before they are analyzed.
FAST = {"messages", "message_deletions", "room_events", "chat_turns", "orders", "order_items", "notifications"}

# Statements that may read a whole table while its statistics say that it is empty: sweeps, what a moderator does now
# and then, the numbers of a stream, whose orders are few, the list of words, which is read as a whole, the table of
# nodes, which has a row for each, and the command that fills the analytics database.
WHOLE = {
    "analytics.backfill.HORIZON",
    "analytics.backfill.PLACES",
    "analytics.backfill.SALES",
    "jobs.table.OLD",
    "moderation.clears.DELETED",
    "moderation.erasure.RESTORE",
    "moderation.erasure.SHOW",
    "moderation.word_lists.ALL",
    "nodes.person_connections.NODES",
    "nodes.heartbeat.BEAT",
    "nodes.node_list.LIST",
    "people.people.COUNTS",
    "retention.kinds.SLOW_MODE_TURNS",
    "streams.stats.STATS",
}

READ = """
    SELECT relname AS name, seq_scan AS scans, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) AS rows
    FROM pg_stat_user_tables
"""


def statements() -> Iterator[tuple[str, str]]:
    """Return the SQL constants of all services."""
    for info in pkgutil.walk_packages(services.__path__, f"{services.__name__}."):
        for name, text in inspect.getmembers(importlib.import_module(info.name)):
            beginnings = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ")
            if name.isupper() and isinstance(text, str) and text.lstrip().startswith(beginnings) and "{" not in text:
                yield f"{info.name.removeprefix(services.__name__)[1:]}.{name}", text


def whole(plan: Any) -> set[str]:
    """Return the tables that a plan reads whole, and the fast tables that it reads by an index without a condition."""
    found = set()
    if plan["Node Type"] == "Seq Scan" or (
        plan["Node Type"].startswith("Index") and plan.get("Relation Name") in FAST and "Index Cond" not in plan
    ):
        found.add(plan["Relation Name"])
    return found.union(*(whole(part) for part in plan.get("Plans", ())))


async def test_no_statement_reads_a_whole_table(database_url: str) -> None:
    pool = configuration(make_settings(database_url=database_url))["connections"]["main"]["credentials"]["pool"]
    options = pool["server_settings"] | {"plan_cache_mode": "force_generic_plan"}
    connection = await asyncpg.connect(database_url, server_settings=options)
    try:
        await connection.execute("ANALYZE")
        checked, found = 0, {}
        for name, text in statements():
            try:
                await connection.execute(f"PREPARE statement AS {text}")
            except asyncpg.UndefinedTableError:
                assert name.startswith("analytics."), name  # its tables are in a database of their own
                continue
            count = await connection.fetchval(
                "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'statement'"
            )
            values = f"({', '.join(['NULL'] * count)})" if count else ""
            plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE statement{values}"))
            await connection.execute("DEALLOCATE statement")
            checked += 1
            if tables := whole(plan[0]["Plan"]):
                found[name] = tables
        assert checked > 50
        assert found.keys() == WHOLE, json.dumps({name: sorted(tables) for name, tables in found.items()}, indent=1)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("statement", "indexes"),
    [(STATS, {"messages_in_order"}), (COUNTS, {"messages_in_order", "messages_deleted"})],
    ids=["the numbers of a stream", "the count of messages"],
)
async def test_places_of_messages_are_read_along_their_indexes(
    database_url: str, statement: str, indexes: set[str]
) -> None:
    """Shown and deleted messages have an index each, so a statement has to say which of them it wants."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SET plan_cache_mode = force_generic_plan")  # not for NULL, which nothing matches
        await connection.execute(f"PREPARE statement AS {statement}")
        count = await connection.fetchval(
            "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'statement'"  # not asyncpg's
        )
        plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE statement({', '.join(['NULL'] * count)})")
    finally:
        await connection.close()
    assert set(re.findall(r'"Index Name": "(messages_\w+)"', plan)) == indexes


async def test_the_cost_of_a_message_does_not_grow(database_url: str, redis: RedisClient) -> None:
    cluster = ChatNodes(database_url, redis, database_pool_size=1)
    await cluster.open()
    for table in FAST:
        await cluster.database.query(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    await cluster.database.query("ANALYZE")
    for number in range(WARM):
        await send_messages(cluster, number)
    for first in range(0, 1000, BATCH):
        await store(cluster, first)
    early = await read(cluster, "early")
    for first in range(1000, STORED, BATCH):
        await store(cluster, first)
    late = await read(cluster, "late")
    assert {name: scans for name, (scans, _) in late.items() if scans} == {}
    for name, (_, rows) in late.items():
        assert rows <= 1.2 * early[name][1] + 100, (name, early, late)  # old events are deleted now and then
    await cluster.close()


async def store(cluster: ChatNodes, first: int) -> None:
    await asyncio.gather(*(cluster.send(n % 20, f"{n}", f"stored {n}") for n in range(first, first + BATCH)))


async def send_messages(cluster: ChatNodes, name: object) -> None:
    """Send the requests that chat gets most often."""
    someone = cluster.people[1]
    sent = await cluster.send(someone, "hello", f"{name}")
    assert (await cluster.send(someone, "hello", f"{name}")).duplicate
    await cluster.chat.check_join(someone, KEY)
    joined = await cluster.chat.snapshot(someone, KEY, None, 1)
    returned = await cluster.chat.snapshot(someone, KEY, Since(epoch=joined.cursor.epoch, seq=sent.seq - 1), 1)
    assert returned.recovered
    await cluster.chat.history(someone, older(KEY, sent.id, 50))


async def read(cluster: ChatNodes, name: str) -> dict[str, tuple[int, int]]:
    """Return the scans and rows read, by table, of frequent requests."""
    before = await counted(cluster)
    for number in range(20):
        await send_messages(cluster, f"{name} {number}")
    after = await counted(cluster)
    return {table: (after[table][0] - before[table][0], after[table][1] - before[table][1]) for table in after}


async def counted(cluster: ChatNodes) -> dict[str, tuple[int, int]]:
    await cluster.database.query("SELECT pg_stat_force_next_flush()")
    return {row["name"]: (row["scans"], row["rows"]) for row in await cluster.database.query(READ)}
