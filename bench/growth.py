"""Compares the costs of reads and changes in a small shop with those in a large one.

make bench ARGS="--only growth"           both shops; writes docs/performance/growth.md
python -m bench.growth --messages 300000  a tenth of the large shop, for a busy machine; only prints

It calls the services like the edges do, and measures the CPU of PostgreSQL's process for one call, which other
processes hardly change, and the time by the clock.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from bench import growth_data
from bench.growth_data import BIG, FULL, RARE
from bench.report import GROWN
from gateway.clocks import now
from gateway.dev.servers import PostgresProcess
from gateway.metrics import Metrics
from gateway.postgres import migrations
from gateway.postgres.database import Database
from gateway.protocol.payloads.chat import SendMessage
from gateway.protocol.payloads.curation import Clear
from gateway.protocol.queries import LogQuery, MessageQuery, ProductQuery, StreamQuery, UserQuery
from gateway.security.principal import Principal, Role
from gateway.services.accounts.directory import Directory
from gateway.services.audit.audit_log import AuditLog
from gateway.services.chat.messages import Messages
from gateway.services.chat.search import MessageSearch
from gateway.services.chat.standing import Standings
from gateway.services.commerce.product_list import ProductList
from gateway.services.commerce.products import ProductViews
from gateway.services.moderation.clears import Clears
from gateway.services.moderation.permissions import Permissions
from gateway.services.moderation.pins import Pins
from gateway.services.moderation.sanctions import WROTE_IN
from gateway.services.rooms.log import RoomLog
from gateway.services.rooms.outbox import Outbox
from gateway.services.streams.stream_lists import StreamLists
from gateway.settings import Environment, Settings, load

SMALL = 100  # the large shop is so many times larger than the small one
ADMIN = UUID(int=1)
SOME = "s7"  # an ended show
BATCH = 20  # messages in one statement

INDEXES = """
    SELECT pg_indexes_size('messages')::float8 / count(*) AS indexes,
        pg_table_size('messages')::float8 / count(*) AS rows
    FROM messages
"""

MIDDLE = "SELECT min(created_at) + (max(created_at) - min(created_at)) / 2 AS at FROM messages"


class Silence:
    """A fan-out that publishes nothing."""

    async def publish(self, *_: object) -> None:
        """Do nothing."""


class Shop:
    """The services of one node on one database."""

    def __init__(self, settings: Settings) -> None:
        metrics, silence = Metrics(), Silence()
        self.database = Database(settings, metrics)
        database, log, none = self.database, RoomLog(self.database), NONE
        outbox, permissions, audit = Outbox(database, log, silence), Permissions(database), AuditLog(database)  # type: ignore[arg-type]
        pins = Pins(database, log, outbox, permissions, audit)
        self.messages, self.search, self.log = Messages(database), MessageSearch(database), audit
        self.clears = Clears(database, log, outbox, permissions, audit, pins, metrics, timedelta(minutes=1))
        self.directory = Directory(database, none, audit)
        self.product_list = ProductList(database, none, none, ProductViews("KRW"))
        self.stream_lists = StreamLists(database, none, none)
        self.standings = Standings(database)
        self.admin = _principal(Role.ADMIN, str(ADMIN))
        self.people: list[Principal] = []
        self.writer, self.newest, self.middle = "", "", now()
        self.sent = 0

    async def open(self) -> int:
        """Connect; return the id of the PostgreSQL process of the connection."""
        await self.database.open()
        query = self.database.query
        rows = await query("SELECT DISTINCT sender_id FROM messages WHERE stream_key = $1 AND seq < 200 LIMIT 50", BIG)
        self.people = [_principal(Role.USER, row["sender_id"]) for row in rows]
        self.writer = self.people[0].user_id
        last = "SELECT id::text, created_at FROM messages WHERE stream_key = $1 ORDER BY seq DESC LIMIT 1"
        self.newest = (await query(last, BIG))[0]["id"]
        self.middle = (await query(MIDDLE))[0]["at"]
        return int((await query("SELECT pg_backend_pid() AS pid"))[0]["pid"])

    @property
    def hour(self) -> dict[str, Any]:
        """The query parameters of an hour in the middle."""
        return {"from": self.middle, "to": self.middle + timedelta(hours=1)}

    async def send(self) -> None:
        """Store a batch of messages, each in another room."""
        drafts = []
        for number in range(BATCH):
            self.sent += 1
            who = self.people[self.sent % len(self.people)]
            text = f"{growth_data.TEXTS[self.sent % len(growth_data.TEXTS)]} {self.sent}"
            ask = {"liveId": f"s{number}" if number else BIG, "message": text, "clientMessageId": str(uuid4())}
            drafts.append(self.messages.draft(who, SendMessage.model_validate(ask), text))
        async with self.database.guard("bench"):
            stored = await self.messages.insert(drafts)
        if any(isinstance(one, Exception) for one in stored):
            raise RuntimeError(stored)

    async def page(self, live_id: str = BIG, **filters: Any) -> None:
        """Read a page of a room as a moderator."""
        await self.search.page(self.admin, live_id, MessageQuery.model_validate({"limit": 50, **filters}))

    async def export(self) -> None:
        """Read 5,000 rows of the big room."""
        rows = 0
        async with aclosing(await self.search.export(self.admin, BIG, MessageQuery())) as lines:  # type: ignore[type-var]
            async for _ in lines:
                rows += 1
                if rows == 5000:
                    return

    async def query(self, statement: str, *values: Any) -> None:
        """Run a query."""
        async with self.database.guard("bench"):
            await self.database.query(statement, *values)

    async def dry_run(self, **which: Any) -> None:
        """Count the messages that a clear would delete."""
        await self.clears.clear(self.admin, Clear.model_validate({"liveId": BIG, "dryRun": True, **which}))

    async def clear_of_one(self) -> None:
        """Delete the messages of one person of the big room."""
        self.sent += 1
        await self.clears.clear_of(self.admin, BIG, self.people[self.sent % len(self.people)].user_id, None)

    async def history(self) -> None:
        """Read a page of older messages as a member."""
        async with self.database.guard("bench"):
            await self.messages.page(BIG, self.newest, 50)

    async def snapshot(self) -> None:
        """Read the snapshot for a join of the big room."""
        async with self.database.guard("bench"):
            await self.messages.latest(BIG)


Call = Callable[[Shop], Awaitable[Any]]

CALLS: Mapping[str, Call] = {
    f"send, a batch of {BATCH}": lambda shop: shop.send(),
    "join: the newest messages": lambda shop: shop.snapshot(),
    "join: the standing": lambda shop: shop.standings.read(shop.people[0], BIG),
    "history": lambda shop: shop.history(),
    "messages: newest": lambda shop: shop.page(),
    "messages: of one sender": lambda shop: shop.page(userId=shop.writer),
    "messages: deleted": lambda shop: shop.page(deleted=True),
    "messages: before the middle": lambda shop: shop.page(to=shop.middle),
    "messages: an hour in the middle": lambda shop: shop.page(**shop.hour),
    "messages: export of 5,000": lambda shop: shop.export(),
    "search: a common word": lambda shop: shop.page(search=growth_data.WORDS[0]),
    "search: one in eight": lambda shop: shop.page(search=growth_data.WORDS[4]),
    "search: one in 200": lambda shop: shop.page(search=growth_data.WORDS[26]),
    "search: a rare word": lambda shop: shop.page(search=RARE),
    "search: a rare word in another room": lambda shop: shop.page(SOME, search=RARE),
    "dry run: of one sender": lambda shop: shop.dry_run(userId=shop.writer),
    "dry run: of the last minute": lambda shop: shop.dry_run(lastSeconds=60),
    "clear: one person of a room": lambda shop: shop.clear_of_one(),
    "ban: where somebody wrote": lambda shop: shop.query(WROTE_IN, shop.writer),
    "log: of a room": lambda shop: shop.log.page(shop.admin, LogQuery.model_validate({"liveId": BIG})),
    "log: before the middle": lambda shop: shop.log.page(shop.admin, LogQuery.model_validate({"to": shop.middle})),
    "log: an hour in the middle": lambda shop: shop.log.page(shop.admin, LogQuery.model_validate(shop.hour)),
    "users: newest": lambda shop: shop.directory.page(shop.admin, UserQuery()),
    "users: hosts": lambda shop: shop.directory.page(shop.admin, UserQuery(role="HOST")),
    "users: suspended": lambda shop: shop.directory.page(shop.admin, UserQuery(status="SUSPENDED")),
    "users: search, common": lambda shop: shop.directory.page(shop.admin, UserQuery(search="viewer")),
    "users: search, one": lambda shop: shop.directory.page(shop.admin, UserQuery(search="user77@")),
    "users: search, one in Hangul": lambda shop: shop.directory.page(shop.admin, UserQuery(search="민지_80")),
    "products: search, common": lambda shop: shop.product_list.page(ProductQuery(search="쌀과", limit=21)),
    "products: search, one": lambda shop: shop.product_list.page(ProductQuery(search="머그컵 103", limit=21)),
    "streams: newest": lambda shop: shop.stream_lists.page(StreamQuery()),
    "streams: search, one": lambda shop: shop.stream_lists.page(StreamQuery(search="코트 12")),
}
REPEATS = 40
WARM = 6  # calls before measuring: after five PostgreSQL may cache a plan


class Cost(NamedTuple):
    """CPU of PostgreSQL and time by the clock of one call, in ms: the median and the 95th percentile."""

    cpu: float
    cpu95: float
    clock: float
    clock95: float


class Grown(NamedTuple):
    """The costs of all calls in one shop, the bytes of a message in its table and its indexes, and the rows."""

    costs: dict[str, Cost]
    row: float
    indexes: float
    rows: dict[str, int]


async def measure(settings: Settings, rows: dict[str, int], only: str = "") -> Grown:
    """Measure all calls in one shop."""
    shop = Shop(settings)
    process = await shop.open()
    sizes = (await shop.database.query(INDEXES))[0]
    costs = {}
    try:
        for name, call in CALLS.items():
            if only not in name:
                continue
            samples = []
            for repeat in range(WARM + REPEATS):
                cpu, clock = _cpu(process), time.perf_counter()
                try:
                    await call(shop)
                except Exception as error:  # a call that takes too long is a result, too
                    print(f"{name}: {error!r}")
                    break
                if repeat >= WARM:
                    samples.append(((_cpu(process) - cpu) * 1000, (time.perf_counter() - clock) * 1000))
            if samples:
                costs[name] = Cost(*(value for column in zip(*samples, strict=True) for value in _middle(column)))
    finally:
        await shop.standings.close()
        await shop.database.close()
    return Grown(costs, sizes["rows"], sizes["indexes"], rows)


def main() -> None:
    """Print the comparison of both shops; with all rows also write it."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description="A small shop beside a large one.")
    parser.add_argument("--messages", type=int, default=FULL, help="of the large shop; default: %(default)s")
    parser.add_argument("--only", default="", metavar="TEXT", help="calls with this in their names")
    options = parser.parse_args()
    print(compare(options.messages, options.only))


def compare(messages: int = FULL, only: str = "") -> str:
    """Fill and measure both shops; return the comparison as Markdown, and write it if it is complete."""
    with tempfile.TemporaryDirectory(prefix="dorami-growth-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # for the user that PostgreSQL runs as when we are root
        server = PostgresProcess(folder / "postgres")
        server.start()
        try:
            text = asyncio.run(_both(server, messages, only))
        finally:
            server.stop()
    if messages == FULL and not only:
        GROWN.write_text(text)
    return text


async def _both(server: PostgresProcess, messages: int, only: str) -> str:
    found = []
    for name, many in (("small", messages // SMALL), ("large", messages)):
        await server.create(name)
        settings = shop_settings(server.database_url(name))
        await migrations.migrate(settings)
        rows = await growth_data.fill(server.database_url(name), many, ADMIN)
        found.append(await measure(settings, rows, only))
    return table(*found)


def shop_settings(url: str) -> Settings:
    """Return the settings of a node with one connection, so that one process of PostgreSQL serves all calls."""
    return load(
        app_env=Environment.DEVELOPMENT,
        database_url=url,
        database_pool_size=1,
        database_timeout="10s",
        redis_url="redis://127.0.0.1:1",
        jwt_secret="-" * 32,
    )


def table(small: Grown, large: Grown) -> str:
    """Return the comparison as Markdown."""
    head = f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC, load average {os.getloadavg()[0]:.1f}. "
    lines = [
        head
        + "CPU of PostgreSQL's process for one call, in ms: the median, and the 95th percentile of the large shop.",
        "The wall clock time includes the work of the node, and other load changes it.",
        "",
        "| rows | small shop | large shop |",
        "| --- | --- | --- |",
        *(f"| {name} | {count:,} | {large.rows[name]:,} |" for name, count in small.rows.items()),
        f"| bytes of a message in the table | {small.row:.0f} | {large.row:.0f} |",
        f"| bytes of a message in indexes | {small.indexes:.0f} | {large.indexes:.0f} |",
        "",
        "| call | small | large | ratio | large, p95 | wall clock, p95 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, many in large.costs.items():
        few = small.costs[name]
        ratio = many.cpu / few.cpu
        lines.append(
            f"| {name} | {few.cpu:.2f} | {many.cpu:.2f} | {ratio:.1f} | {many.cpu95:.2f} | {many.clock95:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _middle(values: tuple[float, ...]) -> tuple[float, float]:
    ordered = sorted(values)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.95)]


def _cpu(process: int) -> float:
    """Return the CPU that a process has used, in s."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def _principal(role: Role, user_id: str) -> Principal:
    moment = datetime.now(UTC)
    return Principal(
        user_id=user_id, username="somebody", role=role, session_id="session",  issued_at=moment,
        expires_at=moment + timedelta(hours=8),
    )  # fmt: skip


NONE: Any = None

if __name__ == "__main__":
    main()
