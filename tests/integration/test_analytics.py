"""The analytics database: every fact counted once, whatever dies between two commits, and its answers."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from gateway.dev.servers import PostgresProcess
from gateway.errors import InvalidPayload, NotFound, Unavailable
from gateway.metrics import Metrics
from gateway.postgres import migrations
from gateway.postgres.connections import Databases
from gateway.postgres.databases import ANALYTICS
from gateway.protocol.payloads.catalog import CreateProduct
from gateway.protocol.payloads.orders import PlaceOrder
from gateway.protocol.payloads.streaming import CreateStream
from gateway.protocol.queries import AnalyticsQuery
from gateway.security.principal import Principal, Role
from gateway.services.analytics import backfill as backfilling
from gateway.services.analytics import chat_counter
from gateway.services.analytics.chat_counter import ChatCounter
from gateway.services.analytics.facts import Facts
from gateway.services.analytics.relay import Relay
from gateway.services.analytics.reports import Reports
from gateway.services.analytics.upkeep import AnalyticsRetention, OutboxAge
from gateway.services.audit.audit_log import AuditLog
from gateway.services.chat.messages import Messages, Placed
from gateway.settings import Settings
from models.main.moderation import ModerationAction
from models.main.user import User
from tests.doubles import Recorder, principal, stand_in
from tests.integration.commerce_nodes import Node
from tests.integration.services import add_account, make_streams
from tests.support import make_settings, server_folder
from tests.timing import until


class Scene:
    """A stream with two products, in a main database that stores facts, and the analytics database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.databases = Databases(settings, self.metrics)
        self.facts = Facts(settings)
        self.host: Principal
        self.node: Node
        self.products: list[str] = []

    async def open(self, redis: Any) -> None:
        await self.databases.open()
        main = self.databases.main
        user = await User.create(email="host@example.com", username="host", role="HOST", password_hash="-")
        self.host = principal(Role.HOST, str(user.id))
        received = Recorder()
        await make_streams(main, redis, received).create(
            self.host, CreateStream.model_validate({"key": "show", "title": "A show"})
        )
        await make_streams(main, redis, received).start(self.host, "show")
        self.node = Node(main, redis, received, self.metrics, self.facts)
        for name, price in (("Cup", 10), ("Lamp", 25)):
            ask = CreateProduct.model_validate({"streamKey": "show", "name": name, "price": price, "stock": 100000})
            self.products.append((await self.node.catalog.create(self.host, ask)).id)

    async def order(self, *quantities: int) -> str:
        items = [
            {"productId": product, "quantity": many}
            for product, many in zip(self.products, quantities, strict=False)
            if many
        ]
        return (await self.node.orders.place(self.host, PlaceOrder.model_validate({"items": items}), None)).id

    async def count(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        analytics = self.databases.client_sync(ANALYTICS.name)
        async with analytics.guard("test"):
            return [tuple(row.values()) for row in await analytics.query(statement, *values)]

    async def waiting(self) -> int:
        async with self.databases.main.guard("test"):
            (row,) = await self.databases.main.query("SELECT count(*) AS waiting FROM outbox")
        return int(row["waiting"])

    async def say(self, *names: str, who: Principal | None = None, fresh: bool = True) -> None:
        """Store messages with these client ids; not `fresh`: they are there."""
        messages = Messages(self.databases.main)
        async with self.databases.main.guard("test"):
            stored = await messages.insert([_draft(messages, who or self.host, name) for name in names])
        assert [isinstance(one, Placed) and one.fresh for one in stored] == [fresh] * len(names)

    async def said(self) -> list[tuple[Any, ...]]:
        """By stream: messages, those of guests."""
        return await self.count(
            "SELECT stream_key, sum(messages)::int AS messages, sum(guest_messages)::int AS guests"
            " FROM chat_minutes GROUP BY 1 ORDER BY 1"
        )

    async def sold(self) -> list[tuple[Any, ...]]:
        """By product and status: orders, units, amount."""
        return await self.count(
            "SELECT product_id, status, sum(orders)::int AS orders, sum(units)::int AS units, sum(amount) AS amount"
            " FROM sales_minutes GROUP BY 1, 2 ORDER BY 1, 2"
        )


@pytest.fixture(scope="module")
def elsewhere() -> Any:
    """Return a server for analytics, which is killed; each test leaves it running."""
    with server_folder() as folder, PostgresProcess(folder / "postgres", durable=True) as server:
        yield server


@pytest.fixture
async def scene(database_url: str, elsewhere: PostgresProcess, redis: Any) -> AsyncIterator[Scene]:
    connection = await asyncpg.connect(elsewhere.url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    settings = make_settings(database_url=database_url, rds_analytics_url=elsewhere.url)
    await migrations.migrate_optional(settings)
    scene = Scene(settings)
    await scene.open(redis)
    yield scene
    await scene.databases.close()


async def test_orders_are_counted_by_what_happened_to_them(scene: Scene) -> None:
    paid, cancelled = await scene.order(2, 1), await scene.order(1)
    await scene.order(0, 3)
    admin = principal(Role.ADMIN)
    await add_account(admin)
    await scene.node.orders.pay(admin, paid)
    await scene.node.orders.pay(admin, paid)
    await scene.node.orders.cancel(scene.host, cancelled)
    relay = Relay(scene.databases, scene.metrics)
    assert await relay.move() > 0
    assert await relay.move() == 0
    cup, lamp = map(int, scene.products)
    assert await scene.sold() == [
        (0, "CANCELLED", 1, 1, Decimal("10.00")),
        (0, "PAID", 1, 3, Decimal("45.00")),
        (0, "PLACED", 3, 7, Decimal("130.00")),
        (cup, "CANCELLED", 1, 1, Decimal("10.00")),
        (cup, "PAID", 1, 2, Decimal("20.00")),
        (cup, "PLACED", 2, 3, Decimal("30.00")),
        (lamp, "PAID", 1, 1, Decimal("25.00")),
        (lamp, "PLACED", 2, 4, Decimal("100.00")),
    ]


async def test_expired_orders_are_counted_when_they_were_due(scene: Scene) -> None:
    await scene.order(1)
    async with scene.databases.main.guard("test"):
        await scene.databases.main.query("UPDATE orders SET expires_at = '2026-01-02T03:04:05Z'")
    await scene.node.orders.expire()
    await Relay(scene.databases, scene.metrics).move()
    assert await scene.count(
        "SELECT minute, orders FROM sales_minutes WHERE status = 'EXPIRED' AND product_id = 0"
    ) == [(datetime(2026, 1, 2, 3, 4, tzinfo=UTC), 1)]


async def test_messages_are_counted_once_with_those_of_guests_among_them(scene: Scene) -> None:
    async with scene.databases.main.guard("test"):
        await scene.databases.main.query(
            "INSERT INTO chat_settings (stream_key, slow_mode_seconds, frozen, guests_allowed)"
            " VALUES ('show', 0, false, true)"
        )
    await scene.say("a", "b", "c")
    await scene.say("g", who=principal(Role.GUEST, "guest_0123456789abcdef"))
    await scene.say("a", fresh=False)
    counter = ChatCounter(scene.databases)
    for _ in range(2):
        await counter.catch_up()
        assert await scene.said() == [("show", 4, 1)]
    await scene.say("d")
    await counter.catch_up()
    assert await scene.said() == [("show", 5, 1)]
    assert await scene.waiting() == 0, "a message costs chat no row in the outbox"


async def test_many_messages_are_counted_in_steps(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_counter, "STEP", 2)
    await scene.say(*"abcde")
    await ChatCounter(scene.databases).catch_up()
    assert await scene.said() == [("show", 5, 0)]


@pytest.mark.parametrize("at", ["before", "within", "after"])
async def test_a_counter_that_dies_counts_nothing_twice_and_loses_nothing(scene: Scene, at: str) -> None:
    await scene.say(*"abc")
    urls = [scene.settings.rds_main_url.get_secret_value(), ANALYTICS.url(scene.settings).get_secret_value()]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED_COUNTER, *urls, at), stderr=subprocess.DEVNULL
    )
    assert await process.wait() == 9
    assert await scene.said() == ([("show", 3, 0)] if at == "after" else [])
    await scene.say("d")
    counter = ChatCounter(scene.databases)

    async def counted() -> bool:  # once the server has noticed that the other one is gone, with its lock
        await counter.catch_up()
        return await scene.said() == [("show", 4, 0)]

    await until(counted, within=10)


async def test_several_counters_at_a_time_count_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_counter, "STEP", 3)
    await scene.say(*map(str, range(20)))
    for _ in range(3):
        await asyncio.gather(*(ChatCounter(scene.databases).catch_up() for _ in range(4)))
    await ChatCounter(scene.databases).catch_up()
    assert await scene.said() == [("show", 20, 0)]


async def test_a_room_of_another_epoch_is_counted_again(scene: Scene) -> None:
    """After a restore: messages lost since the backup are subtracted, minutes that main had deleted stay."""
    counter, main = ChatCounter(scene.databases), scene.databases.main
    await scene.say(*"abc")
    await counter.catch_up()
    await scene.count(
        "INSERT INTO chat_minutes (stream_key, minute, messages, guest_messages)"
        " VALUES ('show', '2026-01-01', 7, 0) RETURNING 1"
    )
    async with main.guard("test"):
        await main.query("DELETE FROM messages WHERE seq = (SELECT max(seq) FROM messages)")
        await main.query("UPDATE rooms SET epoch = gen_random_uuid(), seq = seq - 1 WHERE seq > 1")
    await counter.catch_up()
    assert await scene.said() == [("show", 2 + 7, 0)]
    async with main.guard("test"):  # restored by hand: the same epoch, an earlier place
        await main.query("DELETE FROM messages WHERE seq = (SELECT max(seq) FROM messages)")
        await main.query("UPDATE rooms SET seq = seq - 1 WHERE seq > 1")
    await counter.catch_up()
    assert await scene.said() == [("show", 1 + 7, 0)]


async def test_a_restarted_count_may_begin_with_places_that_are_no_messages(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_counter, "STEP", 1)
    counter, main = ChatCounter(scene.databases), scene.databases.main
    async with main.guard("test"):
        await main.query("UPDATE rooms SET seq = seq + 2")  # announcements, or messages deleted for good
    await scene.say(*"abc")
    async with main.guard("test"):
        await main.query(
            "UPDATE messages SET deleted_at = now(), text = NULL WHERE seq = (SELECT min(seq) FROM messages)"
        )
    for _ in range(2):
        await counter.catch_up()
        assert await scene.said() == [("show", 3, 0)]
        async with main.guard("test"):
            await main.query("UPDATE rooms SET epoch = gen_random_uuid()")
    await counter.catch_up()
    assert await scene.said() == [("show", 3, 0)]


async def test_cursors_go_with_their_rooms(scene: Scene) -> None:
    await scene.say("a")
    counter, main = ChatCounter(scene.databases), scene.databases.main
    await counter.catch_up()
    assert await scene.count("SELECT stream_key FROM chat_cursors") == [("show",)]
    async with main.guard("test"):
        await main.query("DELETE FROM rooms")
    await counter.catch_up()
    assert await scene.count("SELECT 1 FROM chat_cursors") == []
    assert await scene.said() == [("show", 1, 0)]


def _draft(messages: Messages, who: Principal, name: str) -> Any:
    return messages.draft(who, stand_in(_Ask(name)), "hello")


class _Ask:
    """As much of a `chat:send-message` as is stored."""

    live_id = "show"

    def __init__(self, name: str) -> None:
        self.client_message_id = name


async def test_what_moderators_did_is_told_without_ids_and_texts(scene: Scene) -> None:
    record = AuditLog(scene.databases.main, scene.facts)
    async with scene.databases.main.guard("test"), scene.databases.main.transaction():
        entry = await record.record(
            ModerationAction.BAN, scene.host, live_id="show", subject_id="somebody", reason="because"
        )
    await Relay(scene.databases, scene.metrics).move()
    rows = await scene.count("SELECT id, action, stream_key, actor_key, subject_key FROM moderation_facts")
    assert rows == [(entry, "BAN", "show", scene.facts.key(scene.host.user_id), scene.facts.key("somebody"))]
    assert "somebody" not in str(rows)
    assert scene.host.user_id not in str(rows)


async def test_samples_of_several_nodes_are_one(scene: Scene) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for viewers in (3, 5, 4):
        async with scene.databases.main.guard("test"):
            await scene.facts.add_viewers(scene.databases.main, moment, {"show": viewers})
        await Relay(scene.databases, scene.metrics).move()
    assert await scene.count("SELECT at, viewers FROM viewer_samples") == [(moment, 5)]


async def test_nothing_is_stored_where_there_is_no_analytics_database(scene: Scene) -> None:
    without = Facts(make_settings())
    assert without.sales("PLACED", []) is None
    scene.node = Node(scene.databases.main, scene.node.redis, Recorder(), scene.metrics, without)
    order = await scene.order(1)
    await scene.node.orders.cancel(scene.host, order)
    async with scene.databases.main.guard("test"), scene.databases.main.transaction():
        await AuditLog(scene.databases.main, without).record(ModerationAction.BAN, scene.host)
    assert await scene.waiting() == 0


async def test_facts_that_are_refused_do_not_keep_others_waiting(scene: Scene) -> None:
    await scene.order(1)
    async with scene.databases.main.guard("test"):
        await scene.databases.main.query("INSERT INTO outbox (kind, payload) VALUES ('sales', '[[\"show\"]]')")
        await scene.databases.main.query("INSERT INTO outbox (kind, payload) VALUES ('sales', '7')")
        await scene.databases.main.query("INSERT INTO outbox (kind, payload) VALUES ('unheard-of', '[[]]')")
    await scene.order(2)
    await Relay(scene.databases, scene.metrics).move()
    assert await scene.waiting() == 0
    assert (await scene.sold())[0] == (0, "PLACED", 2, 3, Decimal("30.00"))
    assert scene.metrics.outbox_dropped._value.get() == 2


KILLED_COUNTER = """
import asyncio, os, sys
from gateway.metrics import Metrics
from gateway.postgres.connections import Databases
from gateway.services.analytics import chat_counter
from tests.support import make_settings

async def main(main_url, analytics_url, at):
    databases = Databases(make_settings(database_url=main_url, rds_analytics_url=analytics_url), Metrics())
    await databases.open()
    if at == "before":
        chat_counter.ADD = "SELECT die"
    elif at == "within":
        counted = chat_counter.count
        async def die(*queries):
            await counted(*queries)
            os._exit(9)
        chat_counter.count = die
    await chat_counter.ChatCounter(databases).catch_up()
    os._exit(9)

try:
    asyncio.run(main(*sys.argv[1:]))
finally:
    os._exit(9)
"""


# --- crashes ----------------------------------------------------------------------------------------------------------

KILLED = """
import asyncio, os, sys
from gateway.metrics import Metrics
from gateway.postgres.connections import Databases
from gateway.services.analytics.relay import Relay
from tests.support import make_settings

async def main(main_url, analytics_url, at):
    databases = Databases(make_settings(database_url=main_url, rds_analytics_url=analytics_url), Metrics())
    await databases.open()
    relay = Relay(databases, Metrics())
    if at == "between":
        async def die(rows):
            os._exit(9)
        relay._done = die
    elif at == "before":
        async def die(rows):
            os._exit(9)
        relay._apply = die
    else:
        done = relay._done
        async def die(rows):
            await done(rows)
            os._exit(9)
        relay._done = die
    await relay.move()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("at", ["before", "between", "after"])
async def test_a_relay_that_is_killed_counts_nothing_twice_and_loses_nothing(scene: Scene, at: str) -> None:
    for _ in range(5):
        await scene.order(1)
    urls = [scene.settings.rds_main_url.get_secret_value(), ANALYTICS.url(scene.settings).get_secret_value()]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, *urls, at), stderr=subprocess.DEVNULL
    )
    assert await process.wait() == 9
    counted = (await scene.sold() or [(0, "", 0)])[0][2]
    assert counted == (0 if at == "before" else 5)
    relay = Relay(scene.databases, scene.metrics)
    await until(relay.move, within=10)  # the server has noticed that the other one is gone
    assert (await scene.sold())[0] == (0, "PLACED", 5, 5, Decimal("50.00"))
    assert await scene.waiting() == 0


async def test_orders_go_on_while_analytics_is_killed_again_and_again(scene: Scene, elsewhere: PostgresProcess) -> None:
    """Two relays, three kills: what was sold is what is counted, and every order was placed."""
    relays = [Relay(scene.databases, scene.metrics) for _ in range(2)]
    placed: Counter[str] = Counter()
    stop = asyncio.Event()

    async def buy() -> None:
        while not stop.is_set():
            await scene.order(1, 1)
            placed["orders"] += 1
            await asyncio.sleep(0.005)

    async def move(relay: Relay) -> None:
        while not stop.is_set() or await scene.waiting():
            try:
                await relay.move()
            except Unavailable:
                placed["away"] += 1
            await asyncio.sleep(0.02)

    async def more(orders: int) -> None:
        wanted = placed["orders"] + orders
        await until(lambda: placed["orders"] >= wanted, within=20)

    moving = [asyncio.create_task(move(relay)) for relay in relays]
    buyers = [asyncio.create_task(buy()) for _ in range(4)]
    for _ in range(3):
        await more(20)
        elsewhere.kill()
        await more(10)
        await asyncio.to_thread(elsewhere.start)
    stop.set()
    await asyncio.gather(*buyers)
    async with asyncio.timeout(60):
        await asyncio.gather(*moving)
    assert placed["away"] > 0
    many = placed["orders"]
    assert (await scene.sold())[0] == (0, "PLACED", many, 2 * many, Decimal(35 * many))
    assert await scene.waiting() == 0


# --- reports, retention, backfill -------------------------------------------------------------------------------------


def query(**given: str) -> AnalyticsQuery:
    return AnalyticsQuery.model_validate(given)


async def test_a_report_has_what_happened_in_a_stream(scene: Scene) -> None:
    await scene.order(2, 1)
    moment = datetime.now(UTC)
    async with scene.databases.main.guard("test"):
        await scene.facts.add_viewers(scene.databases.main, moment, {"show": 4})
    await Relay(scene.databases, scene.metrics).move()
    reports = Reports(scene.databases)
    report = await reports.stream(scene.host, "show", query())
    assert report.bucket == "minute"
    assert sum(point.orders for point in report.points) == 1
    assert sum(point.amount for point in report.points) == 45
    assert max(point.peak_viewers or 0 for point in report.points) == 4
    assert {product.product_id: product.units for product in report.products} == dict(
        zip(scene.products, (2, 1), strict=True)
    )
    sales = await reports.sales(scene.host, query())
    assert [(stream.stream_key, stream.orders) for stream in sales.streams] == [("show", 1)]
    assert [point.orders for point in sales.points] == [1]
    assert (await reports.sales(principal(Role.ADMIN), query(timeZone="Asia/Seoul", bucket="day"))).points[
        0
    ].orders == 1


async def test_hosts_see_their_own_streams_alone(scene: Scene) -> None:
    await scene.order(1)
    await Relay(scene.databases, scene.metrics).move()
    reports, other = Reports(scene.databases), principal(Role.HOST)
    with pytest.raises(NotFound):
        await reports.stream(other, "show", query())
    with pytest.raises(NotFound):
        await reports.stream(principal(Role.ADMIN), "nothing", query())
    assert (await reports.sales(other, query())).streams == []


async def test_a_report_has_a_bounded_number_of_points(scene: Scene) -> None:
    reports, admin = Reports(scene.databases), principal(Role.ADMIN)
    long = {"from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    assert (await reports.sales(admin, query(**long))).bucket == "hour"
    with pytest.raises(InvalidPayload):
        await reports.sales(admin, query(**long, bucket="minute"))
    with pytest.raises(InvalidPayload):
        await reports.sales(admin, query(**{"from": "2001-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}))
    with pytest.raises(InvalidPayload):
        await reports.sales(admin, query(**{"from": long["to"], "to": long["from"]}))


async def test_old_numbers_are_deleted(scene: Scene) -> None:
    for at in (datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC)):
        async with scene.databases.main.guard("test"):
            await scene.facts.add_viewers(scene.databases.main, at, {"show": 4})
    await Relay(scene.databases, scene.metrics).move()
    await scene.count("UPDATE applied_events SET applied_at = '2020-01-01' RETURNING 1")
    assert await AnalyticsRetention(scene.databases, timedelta(days=30)).sweep() == 3
    assert len(await scene.count("SELECT 1 FROM viewer_samples")) == 1


async def test_how_long_facts_have_waited_is_shown(scene: Scene) -> None:
    age = OutboxAge(scene.databases.main, scene.metrics)
    await age.measure()
    assert scene.metrics.outbox_age._value.get() == 0
    await scene.order(1)
    async with scene.databases.main.guard("test"):
        await scene.databases.main.query("UPDATE outbox SET created_at = now() - interval '1 hour'")
    await age.measure()
    assert scene.metrics.outbox_age._value.get() >= 3600


async def test_what_main_has_is_counted_again(scene: Scene) -> None:
    """Facts that were lost, others that still wait, and numbers that main no longer has."""
    for _ in range(3):
        await scene.order(1, 2)
    await scene.say("a", "b")
    main = scene.databases.main
    async with main.guard("test"), main.transaction():
        await AuditLog(main, scene.facts).record(ModerationAction.BAN, scene.host, live_id="show")
        await main.query("DELETE FROM outbox")
        await main.query("UPDATE orders SET created_at = created_at - interval '2 hours'")
    await scene.order(5, 5)  # waits, and is too young
    await scene.count(
        "INSERT INTO sales_minutes (stream_key, product_id, minute, status, orders, units, amount)"
        " VALUES ('show', 0, '2026-01-01', 'PLACED', 7, 7, 70) RETURNING 1"
    )
    for _ in range(2):
        steps = [step async for step in backfilling.backfill(scene.settings)]
        assert [(step.part, step.done, step.total) for step in steps if step.part == "sales"] == [
            ("sales", 0, 1),
            ("sales", 1, 1),
        ]
        counted = {step.part: step.counted for step in steps}
        assert counted == {"sales": 3, "messages": 2, "moderation": 5}, "a ban, the stream, its start, two products"
        assert await scene.said() == [("show", 2, 0)]
    assert (await scene.sold())[0] == (0, "PLACED", 3 + 7, 9 + 7, Decimal(3 * 60 + 70))
    await Relay(scene.databases, scene.metrics).move()
    assert (await scene.sold())[0] == (0, "PLACED", 4 + 7, 19 + 7, Decimal(3 * 60 + 70 + 175))
    assert len(await scene.count("SELECT 1 FROM moderation_facts WHERE action = 'BAN'")) == 1
