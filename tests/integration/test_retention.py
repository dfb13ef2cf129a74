"""What is kept, for how long: rows at every edge, two nodes at once, rows that refer to others, growth over weeks."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextvars import Context
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from gateway.errors import Unavailable
from gateway.keys import RETENTION_LOCK, chat_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.postgres.errors import ConstraintError
from gateway.protocol.wire import Since
from gateway.services.retention import retention
from gateway.services.retention.kinds import kinds
from gateway.services.retention.retention import Retention
from gateway.services.retention.table_sizes import TableSizes
from gateway.services.rooms.catch_up import CatchUp
from gateway.services.rooms.log import RoomLog
from tests.support import make_settings

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
NOW = timedelta(0)

KEPT = {
    "message_retention": 3 * DAY,
    "deletion_retention": 1 * DAY,
    "moderation_retention": 5 * DAY,
    "order_retention": 7 * DAY,
    "stream_retention": 6 * DAY,
    "notification_retention": 2 * DAY,
}

# Columns by which rows grow old, by table.
MOMENTS = {
    "streams": ("created_at", "started_at", "ended_at", "closes_at", "updated_at"),
    "rooms": (),
    "room_events": ("created_at",),
    "messages": ("created_at", "deleted_at"),
    "message_deletions": ("created_at",),
    "moderation_log": ("created_at",),
    "sanctions": ("created_at", "ends_at", "lifted_at"),
    "banned_devices": ("ends_at",),
    "pins": ("created_at",),
    "listed_words": (),
    "chat_settings": (),
    "chat_turns": ("spoke_at",),
    "products": (),
    "orders": ("created_at", "paid_at", "expires_at"),
    "order_items": (),
    "notifications": ("created_at",),
    "stream_viewers": (),
    "webhook_messages": ("received_at",),
}


class Shop:
    """A database in which everything has a past, and two nodes that tidy it up."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.metrics = Metrics()
        self.user = str(uuid4())
        self.nodes = [Retention(database, kinds(make_settings(**KEPT)), self.metrics) for _ in range(2)]

    async def run(self, statement: str, *values: Any) -> Any:
        """Return the first value of a statement's first row, if there is one."""
        rows = await self.database.query(statement, *values)
        return next(iter(rows[0].values())) if rows else None

    async def sweep(self) -> dict[str, int]:
        """Run the retention of one node and return the numbers of deleted rows."""
        return dict(+await self.nodes[0].sweep())

    async def stream(self, key: str, status: str = "ENDED", closed: timedelta = NOW) -> str:
        """Return a stream that can not be started again since `closed`, with its rooms."""
        ended, live = status == "ENDED", status in ("ENDED", "LIVE")
        await self.run(
            "INSERT INTO streams (key, title, description, host_id, status, created_at, updated_at, started_at, "
            "ended_at, closes_at, peak_viewers, total_viewers) SELECT $1, 'x', '', $2, $3, now() - $4::interval - "
            "interval '3 h', now() - $4::interval, CASE WHEN $5 THEN now() - $4::interval - interval '2 h' END, "
            "CASE WHEN $6 THEN now() - $4::interval - interval '30 min' END, "
            "CASE WHEN $6 THEN now() - $4::interval END, 0, 0",
            key, self.user, status, closed, live, ended,
        )  # fmt: skip
        for room in (f"/chat live:{key}", f"/ stream:{key}", f"/streaming stream:{key}"):
            await self.run(
                "INSERT INTO rooms (name, stream_key, epoch, seq) VALUES ($1, $2, $3, 0)", room, key, uuid4()
            )
        return key

    async def event(self, key: str, age: timedelta, count: int = 1) -> None:
        """Return some events of a stream's chat, each in the next place."""
        await self.run(
            "WITH head AS (UPDATE rooms SET seq = seq + $3 WHERE name = '/chat live:' || $1 RETURNING name, seq - $3 "
            "AS seq) INSERT INTO room_events (room, seq, event, payload, created_at) SELECT name, seq + n, 'chat:x', "
            "'{\"type\": \"chat:x\"}', now() - $2::interval FROM head, generate_series(1, $3) n",
            key, age, count,
        )  # fmt: skip

    async def message(self, key: str, age: timedelta = NOW, *, deleted: timedelta | None = None) -> str:
        """Return a message; a deleted one with the record of that, as if by a clear."""
        seq = await self.run("SELECT coalesce(max(seq), 0) + 1 FROM messages WHERE stream_key = $1", key)
        message = str(uuid4())
        await self.run(
            "INSERT INTO messages (id, stream_key, seq, sender_id, user_id, username, role, text, created_at, "
            "deleted_at) VALUES ($1, $2, $3, $4, $5, 'x', 'USER', $6, now() - $7::interval, now() - $8::interval)",
            message, key, seq, self.user, self.user, "x" if deleted is None else None, age, deleted,
        )  # fmt: skip
        if deleted is not None:
            entry = await self.entry(key, deleted)
            await self.run(
                "INSERT INTO message_deletions (message_id, text, entry_id, deleted_by, created_at) "
                "VALUES ($1, 'x', $2, $3, now() - $4::interval)",
                message, entry, self.user, deleted,
            )  # fmt: skip
        return message

    async def entry(self, key: str | None, age: timedelta) -> int:
        """Return an entry of the audit log."""
        entry = await self.run(
            "INSERT INTO moderation_log (action, stream_key, actor_id, details, created_at) "
            "VALUES ('CLEAR', $1, $2, '{}', now() - $3::interval) RETURNING id",
            key, self.user, age,
        )  # fmt: skip
        return int(entry)

    async def sanction(self, key: str | None, ended: timedelta | None, *, lifted: bool = False) -> str:
        """Return a ban that ended or was lifted some time ago; one that still holds without it."""
        sanction = str(uuid4())
        await self.run(
            "INSERT INTO sanctions (id, kind, stream_key, subject_id, created_by, created_at, ends_at, lifted_at) "
            "SELECT $1, 'BAN', $2, $3, $4, now() - interval '30 days', CASE WHEN NOT $6 THEN now() - $5::interval END,"
            " CASE WHEN $6 THEN now() - $5::interval END",
            sanction, key, f"guest_{uuid4().hex[:24]}", self.user, ended, lifted,
        )  # fmt: skip
        await self.run("INSERT INTO banned_devices (sanction_id, device) VALUES ($1, 'd:x')", sanction)
        return sanction

    async def product(self, key: str) -> int:
        """Return a product, which the stream features."""
        product = await self.run(
            "INSERT INTO products (stream_key, name, description, price, discount_rate, stock, images, sort_order, "
            "is_new, version, created_at, updated_at) VALUES ($1, 'x', '', 1, 0, 1, '{}', 0, false, 1, now(), now()) "
            "RETURNING id",
            key,
        )
        await self.run("UPDATE streams SET featured_product_id = $1 WHERE key = $2", product, key)
        return int(product)

    async def order(self, key: str, product: int, age: timedelta, status: str = "PAID") -> str:
        """Return an order of one product."""
        order = str(uuid4())
        await self.run(
            "INSERT INTO orders (id, user_id, status, total, created_at, expires_at, paid_at) SELECT $1, $2, "
            "$3::text, 1, now() - $4::interval, now() - $4::interval, "
            "CASE WHEN $3::text = 'PAID' THEN now() - $4::interval END",
            order, self.user, status, age,
        )  # fmt: skip
        await self.run(
            "INSERT INTO order_items (order_id, product_id, stream_key, name, price, quantity) "
            "VALUES ($1, $2, $3, 'x', 1, 1)",
            order, product, key,
        )  # fmt: skip
        return order

    async def show(self, key: str) -> None:
        """Return a stream that has just closed, with one of everything."""
        await self.stream(key)
        await self.event(key, NOW, 5)
        await self.message(key)
        pinned = await self.message(key)
        await self.run("INSERT INTO pins (message_id, stream_key, pinned_by, created_at) VALUES ($1, $2, $3, now())",
                       pinned, key, self.user)  # fmt: skip
        await self.message(key, deleted=NOW)
        await self.sanction(key, NOW, lifted=True)
        await self.sanction(key, None)
        product = await self.product(key)
        await self.product(key)
        await self.order(key, product, NOW)
        await self.run("INSERT INTO listed_words (id, stream_key, word, action, created_by, created_at) VALUES "
                       "($1, $2, 'x', 'BLOCK', $3, now())", uuid4(), key, self.user)  # fmt: skip
        await self.run("INSERT INTO chat_settings (stream_key, slow_mode_seconds, frozen, guests_allowed) "
                       "VALUES ($1, 5, false, false)", key)  # fmt: skip
        await self.run(
            "INSERT INTO chat_turns (stream_key, sender_id, spoke_at) VALUES ($1, $2, now())", key, self.user
        )
        await self.run("INSERT INTO stream_viewers (stream_key, viewer_id) VALUES ($1, $2)", key, self.user)
        await self.run("INSERT INTO notifications (id, user_id, title, message, level, created_at) "
                       "VALUES ($1, $2, 'x', 'x', 'INFO', now())", uuid4(), self.user)  # fmt: skip
        await self.run("INSERT INTO webhook_messages (id, received_at) VALUES ($1, now())", key)

    async def grow_old(self, age: timedelta) -> None:
        """Let time pass."""
        for table, columns in MOMENTS.items():
            if columns:
                await self.run(
                    f"UPDATE {table} SET {', '.join(f'{column} = {column} - $1::interval' for column in columns)}", age
                )

    async def counts(self) -> dict[str, int]:
        """How many rows there are, by table."""
        return {table: await self.run(f"SELECT count(*) FROM {table}") for table in MOMENTS}

    async def column(self, statement: str) -> list[Any]:
        """Return the first values of all rows."""
        return [next(iter(row.values())) for row in await self.database.query(statement)]


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    shop = Shop(database)
    await shop.run(
        "INSERT INTO users (id, email, username, password_hash, role, status, created_at, updated_at) "
        "VALUES ($1, 'x@example.com', 'x', '-', 'ADMIN', 'ACTIVE', now(), now())",
        shop.user,
    )
    yield shop
    await database.close()


# --- the edges ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "closed", "left"),
    [
        ("ENDED", 3 * DAY + MINUTE, 0),
        ("ENDED", 3 * DAY - MINUTE, 2),
        ("CANCELLED", 3 * DAY + MINUTE, 0),
        ("CANCELLED", 3 * DAY - MINUTE, 2),
        ("LIVE", 30 * DAY, 2),
        ("SCHEDULED", 30 * DAY, 2),
    ],
)
async def test_messages_are_deleted_some_time_after_their_stream(
    shop: Shop, status: str, closed: timedelta, left: int
) -> None:
    await shop.stream("old", status, closed)
    await shop.message("old", closed)
    await shop.message("old", closed, deleted=NOW)
    deleted = await shop.sweep()
    counts = await shop.counts()
    assert (counts["messages"], counts["message_deletions"], deleted.get("messages", 0)) == (left, left // 2, 2 - left)
    assert counts["streams"] == 1


async def test_a_message_is_deleted_with_its_pin_and_deletion_record(shop: Shop) -> None:
    await shop.show("old")
    before = await shop.counts()
    await shop.grow_old(3 * DAY + MINUTE)
    await shop.sweep()
    after = await shop.counts()
    kept = {"moderation_log", "sanctions", "products", "orders", "order_items", "listed_words", "chat_settings"}
    assert {table for table in before if after[table] == before[table]} == kept | {"streams", "rooms"}
    assert after["banned_devices"] == 1, "of the ban that holds"


async def test_texts_of_deleted_messages_expire_before_the_record(shop: Shop) -> None:
    await shop.stream("now", "LIVE", 9 * DAY)
    young = await shop.message("now", 9 * DAY, deleted=DAY - MINUTE)
    await shop.message("now", 9 * DAY, deleted=DAY + MINUTE)
    assert await shop.sweep() == {"deleted_texts": 1}
    assert await shop.run("SELECT message_id::text FROM message_deletions WHERE text IS NOT NULL") == young


async def test_entries_of_the_audit_log_stay_while_a_deletion_refers_to_them(shop: Shop) -> None:
    await shop.stream("now", "LIVE", 9 * DAY)
    await shop.message("now", 9 * DAY, deleted=9 * DAY)
    referred = await shop.run("SELECT id FROM moderation_log")
    await shop.entry("now", 5 * DAY + MINUTE)
    young = await shop.entry(None, 5 * DAY - MINUTE)
    assert (await shop.sweep())["audit_log"] == 1
    assert await shop.column("SELECT id FROM moderation_log ORDER BY id") == [referred, young]


async def test_ended_sanctions_are_deleted(shop: Shop) -> None:
    await shop.stream("now", "LIVE", 9 * DAY)
    left = {await shop.sanction(key, None) for key in (None, "now")}
    for key in (None, "now"):
        for lifted in (False, True):
            left.add(await shop.sanction(key, 5 * DAY - MINUTE, lifted=lifted))
            await shop.sanction(key, 5 * DAY + MINUTE, lifted=lifted)
    deleted = await shop.sweep()
    assert (deleted["sanctions"], deleted["banned_devices"]) == (4, 8)
    assert set(map(str, await shop.column("SELECT id FROM sanctions"))) == left


async def test_old_orders_are_deleted_unless_payable(shop: Shop) -> None:
    await shop.stream("now", "LIVE", 9 * DAY)
    product = await shop.product("now")
    left = {
        await shop.order("now", product, 7 * DAY - MINUTE),
        await shop.order("now", product, 7 * DAY - MINUTE, "EXPIRED"),
        await shop.order("now", product, 70 * DAY, "PENDING"),
    }
    for status in ("PAID", "EXPIRED"):
        await shop.order("now", product, 7 * DAY + MINUTE, status)
    assert await shop.sweep() == {"orders": 2}
    assert set(map(str, await shop.column("SELECT order_id FROM order_items"))) == left


async def test_short_lived_rows_are_deleted(shop: Shop) -> None:
    await shop.stream("over", closed=timedelta(hours=1) + MINUTE)
    await shop.stream("closed", closed=timedelta(hours=1) - MINUTE)
    for key in ("over", "closed"):
        await shop.run("INSERT INTO stream_viewers (stream_key, viewer_id) VALUES ($1, 'ann')", key)
    for minutes in (9, 11):
        await shop.run("INSERT INTO webhook_messages (id, received_at) VALUES ($1, now() - $2::interval)",
                       f"{minutes} min", minutes * MINUTE)  # fmt: skip
    for seconds in (290, 310):
        await shop.run("INSERT INTO chat_turns (stream_key, sender_id, spoke_at) VALUES ('over', $1, "
                       "now() - $2::interval)", f"{seconds} s", timedelta(seconds=seconds))  # fmt: skip
    for age in (2 * DAY - MINUTE, 2 * DAY + MINUTE):
        await shop.run("INSERT INTO notifications (id, user_id, title, message, level, created_at) "
                       "VALUES ($1, $2, $3, 'x', 'INFO', now() - $4::interval)",
                       uuid4(), shop.user, f"{age}", age)  # fmt: skip
    assert await shop.sweep() == {"viewer_names": 1, "webhook_messages": 1, "slow_mode_turns": 1, "notifications": 1}
    assert await shop.column("SELECT stream_key FROM stream_viewers") == ["closed"]
    assert await shop.column("SELECT id FROM webhook_messages") == ["9 min"]
    assert await shop.column("SELECT sender_id FROM chat_turns") == ["290 s"]
    assert await shop.column("SELECT title FROM notifications") == [f"{2 * DAY - MINUTE}"]


# --- logs of rooms --------------------------------------------------------------------------------------------------


async def test_the_log_of_a_closed_room_is_deleted(shop: Shop) -> None:
    for key, status, closed in (
        ("over", "ENDED", 10 * MINUTE),
        ("reopens", "ENDED", -10 * MINUTE),
        ("recovers", "ENDED", MINUTE),
        ("cancelled", "CANCELLED", 10 * MINUTE),
        ("live", "LIVE", 10 * DAY),
    ):
        await shop.stream(key, status, closed)
        await shop.event(key, DAY, 3)
        await shop.event(key, NOW, 2)
    assert await shop.sweep() == {"room_events": 6}, "what happened after the end is still to be recovered"
    assert await shop.column("SELECT seq FROM room_events WHERE room = '/chat live:over' ORDER BY seq") == [4, 5]
    await shop.run("UPDATE room_events SET created_at = now() - interval '1 day'")
    assert await shop.sweep() == {"room_events": 4}
    rooms = await shop.column("SELECT DISTINCT room FROM room_events ORDER BY room")
    assert rooms == ["/chat live:live", "/chat live:recovers", "/chat live:reopens"]
    assert await shop.run("SELECT seq FROM rooms WHERE name = '/chat live:over'") == 5


async def test_an_old_cursor_gets_the_place_of_the_log(shop: Shop) -> None:
    await shop.stream("over", closed=10 * MINUTE)
    await shop.event("over", DAY, 5)
    log = RoomLog(shop.database)
    catch_up, room = CatchUp(log), chat_room("over")
    epoch = str(await shop.run("SELECT epoch FROM rooms WHERE name = '/chat live:over'"))
    recovered = await catch_up.position(room, Since(epoch=epoch, seq=2))
    assert [event.seq for event in recovered.events or []] == [3, 4, 5]
    await shop.sweep()
    late = await catch_up.position(room, Since(epoch=epoch, seq=2))
    assert (late.cursor.seq, late.events) == (5, None), "a snapshot is due"
    assert (await catch_up.position(room, Since(epoch=epoch, seq=5))).events == []
    async with shop.database.transaction():
        assert await log.next(room) == 6
    await catch_up.close()


async def test_times_out_of_order_leave_no_gap_in_a_log(shop: Shop) -> None:
    await shop.stream("over", closed=10 * MINUTE)
    for age in (DAY, NOW, DAY, NOW, NOW):  # the clocks of nodes differ a little
        await shop.event("over", age)
    await shop.sweep()
    assert await shop.column("SELECT seq FROM room_events ORDER BY seq") == [4, 5]


# --- what refers to each other --------------------------------------------------------------------------------------


async def test_a_stream_is_deleted_once_nothing_refers_to_it(shop: Shop) -> None:
    await shop.show("old")
    await shop.stream("live", "LIVE", 90 * DAY)
    await shop.stream("planned", "SCHEDULED", 90 * DAY)
    await shop.grow_old(6 * DAY + MINUTE)
    await shop.sweep()
    counts = await shop.counts()
    assert (counts["streams"], counts["products"], counts["orders"]) == (3, 2, 1), "an order is kept for longer"
    await shop.grow_old(DAY)
    assert await shop.sweep() == {"orders": 1, "products": 2, "streams": 1}
    assert await shop.column("SELECT key FROM streams ORDER BY key") == ["live", "planned"]
    assert {table: count for table, count in (await shop.counts()).items() if count} == {"streams": 2, "rooms": 7}, (
        "one room is of the whole shop"
    )


async def test_a_newly_referenced_stream_is_kept(shop: Shop, database_url: str) -> None:
    await shop.stream("old", closed=8 * DAY)
    other = await asyncpg.connect(database_url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute(
        "INSERT INTO moderation_log (action, stream_key, actor_id, details, created_at) "
        "VALUES ('CLEAR', 'old', $1, '{}', now())",
        shop.user,
    )
    assert await shop.sweep() == {}
    await transaction.commit()
    await other.close()
    assert await shop.sweep() == {}
    assert await shop.counts() == await shop.counts() | {"streams": 1, "moderation_log": 1}


async def test_protected_rows_do_not_block_others(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    query = shop.database.query

    async def refuse(statement: str, *values: Any) -> list[dict[str, Any]]:
        if "DELETE FROM orders" in statement:
            raise ConstraintError("somebody's")
        return await query(statement, *values)

    await shop.stream("old", closed=8 * DAY)
    monkeypatch.setattr(shop.database, "query", refuse)
    assert await shop.sweep() == {"streams": 1}


# --- batches and nodes ----------------------------------------------------------------------------------------------


async def test_one_node_deletes_at_a_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 7)
    nodes = [Retention(shop.database, kinds(make_settings(**KEPT)), shop.metrics) for _ in range(2)]
    await shop.stream("old", closed=4 * DAY)
    await shop.run(
        "INSERT INTO messages (id, stream_key, seq, sender_id, user_id, username, role, text, created_at) "
        "SELECT gen_random_uuid(), 'old', n, $1::text, $1::uuid, 'x', 'USER', 'x', now() FROM generate_series(1, 50) n",
        shop.user,
    )
    async with shop.database.transaction():
        await shop.run("SELECT pg_advisory_xact_lock($1)", RETENTION_LOCK)
        other = asyncio.create_task(nodes[0].sweep(), context=Context())  # not on the connection of this block
        assert not +await other, "another node is at it"
    done: Counter[str] = Counter()
    while await shop.run("SELECT count(*) FROM messages"):
        for deleted in await asyncio.gather(*(node.sweep() for node in nodes)):
            done += deleted
    assert done == {"messages": 50}
    assert shop.metrics.registry.get_sample_value("dorami_retention_deleted_total", {"kind": "messages"}) == 50


async def test_locked_rows_are_skipped(shop: Shop, database_url: str) -> None:
    await shop.stream("old", closed=4 * DAY)
    held = await shop.message("old")
    await shop.message("old")
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("SELECT FROM messages WHERE id = $1 FOR UPDATE", held)
        assert await shop.sweep() == {"messages": 1}
    await other.close()
    assert await shop.sweep() == {"messages": 1}


async def test_slow_batches_shrink(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    query, sizes = shop.database.query, list[int]()

    async def slow(statement: str, *values: Any) -> list[dict[str, Any]]:
        if "DELETE FROM messages" in statement:
            sizes.append(values[1])
            if values[1] > 100:
                raise TimeoutError
        return await query(statement, *values)

    await shop.stream("old", closed=4 * DAY)
    await shop.message("old")
    monkeypatch.setattr(shop.database, "query", slow)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await shop.sweep()
    assert await shop.sweep() == {"messages": 1}
    await shop.sweep()
    assert sizes == [500, 125, 31, 62]


# --- growth ---------------------------------------------------------------------------------------------------------


async def test_daily_use_does_not_grow_the_database(shop: Shop) -> None:
    counts = []
    for day in range(16):
        await shop.show(f"day-{day}")
        await shop.sweep()
        counts.append(await shop.counts())
        await shop.grow_old(DAY + MINUTE)
    assert counts[8] == counts[-1], "all kinds have reached what they are kept for"
    assert all(count > 0 for count in counts[-1].values())
    assert max(sum(day.values()) for day in counts) == sum(counts[-1].values())


async def test_sizes_of_tables_are_metrics(shop: Shop) -> None:
    await shop.run("ANALYZE users")
    await TableSizes(shop.database, shop.metrics).measure()
    value = shop.metrics.registry.get_sample_value
    assert value("dorami_table_rows", {"table": "users"}) == 1
    for table in MOMENTS:
        size = value("dorami_table_bytes", {"table": table})
        assert size is not None
        assert size >= 8192
