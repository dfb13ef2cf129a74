"""A large history for trying the console, graphs and speed: thirty shows, one a day, with messages and orders.

Created by `dorami db seed --size`. Each show is created once and never changed.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.seeds import main
from gateway.services.rooms.log import open_rooms
from gateway.settings import Settings
from models.main.product import Product
from models.main.stream import Stream, StreamStatus
from models.main.user import User

DAYS: Final = 30
LENGTH: Final = timedelta(hours=1)  # of a show
BATCH: Final = 1000  # messages in one statement
MESSAGES_PER_ORDER: Final = 20
TEXTS: Final = (
    "안녕하세요!",
    "색상 더 있나요?",
    "Is it dishwasher safe?",
    "저 방금 주문했어요",
    "배송은 얼마나 걸려요?",
    "So pretty",
    "가격 실화인가요",
    "재입고 언제 되나요?",
    "Hello from Busan",
    "지난번에 샀는데 정말 좋아요",
)

MESSAGES: Final = """
    INSERT INTO messages (id, stream_key, seq, sender_id, username, role, text, created_at)
    SELECT gen_random_uuid(), $1, n, 'guest_' || md5((n % 500)::text), '손님' || n % 500, 'GUEST',
        ($2::text[])[1 + n % cardinality($2::text[])], $3::timestamptz + $4::interval * (n::float8 / $5)
    FROM generate_series($6::bigint, $7::bigint) n
"""
LOGGED: Final = "UPDATE rooms SET seq = $2 WHERE stream_key = $1 AND name LIKE '/chat %'"
ORDERS: Final = """
    WITH goods AS (
        SELECT id, name, price, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS many
        FROM products WHERE stream_key = $1
    ), placed AS (
        SELECT gen_random_uuid() AS id, ($2::uuid[])[1 + n % cardinality($2::uuid[])] AS user_id,
            $3::timestamptz + $4::interval * (n::float8 / $5) AS at, g.id AS product, g.name, g.price,
            1 + n % 3 AS quantity, CASE n % 10 WHEN 0 THEN 'CANCELLED' WHEN 1 THEN 'EXPIRED' ELSE 'PAID' END AS status
        FROM generate_series(1, $5::int) n JOIN goods g ON g.place = n % g.many
    ), stored AS (
        INSERT INTO orders (id, user_id, status, total, created_at, expires_at, paid_at, cancelled_at)
        SELECT id, user_id, status, price * quantity, at, at + interval '15 minutes',
            CASE status WHEN 'PAID' THEN at + interval '1 minute' END,
            CASE status WHEN 'CANCELLED' THEN at + interval '2 minutes' END
        FROM placed
    )
    INSERT INTO order_items (order_id, product_id, stream_key, name, price, quantity)
    SELECT id, product, $1, name, price, quantity FROM placed
"""


class Progress(NamedTuple):
    """How many messages are done, and what was created so far."""

    done: int
    size: int
    messages: int
    orders: int


async def sow(settings: Settings, size: int) -> AsyncIterator[Progress]:
    """Create the missing shows, of `size` messages in all, and yield the progress.

    The small seeds must be there. Raises Unavailable.
    """
    database = Database(settings, Metrics())
    await database.open()
    progress = Progress(0, size, 0, 0)
    try:
        yield progress
        for day in range(DAYS):
            many = size // DAYS + (day < size % DAYS)
            stream = await _show(database, day)
            if stream is None or not many:
                progress = progress._replace(done=progress.done + many)
                yield progress
                continue
            for first in range(1, many + 1, BATCH):
                last = min(first + BATCH - 1, many)
                async with database.guard("seeds.messages"):
                    begin = stream.started_at
                    await database.query(MESSAGES, stream.key, TEXTS, begin, LENGTH, many + 1, first, last)
                progress = progress._replace(
                    done=progress.done + last - first + 1, messages=progress.messages + last - first + 1
                )
                yield progress
            orders = max(1, many // MESSAGES_PER_ORDER)
            async with database.guard("seeds.orders"), database.transaction():
                buyers = await User.filter(email__in=[who.email for who in main.PEOPLE], role="USER").values_list("id")
                ids = [buyer[0] for buyer in buyers]
                await database.query(ORDERS, stream.key, ids, stream.started_at, LENGTH, orders)
                await database.query(LOGGED, stream.key, many)
            progress = progress._replace(orders=progress.orders + orders)
            yield progress
    finally:
        await database.close()


async def _show(database: Database, day: int) -> Stream | None:
    """Create the show of this many days ago with its products; return None if it exists."""
    data = main.DATA["streams"][day % len(main.DATA["streams"])]
    begin = (datetime.now(UTC) - timedelta(days=day + 1)).replace(minute=0, second=0, microsecond=0)
    async with database.guard("seeds.show"), database.transaction():
        stream, fresh = await Stream.get_or_create(
            {
                "title": f"{data['title']} #{DAYS - day}",
                "description": data["description"],
                "host": await User.get(email=data["host"]),
                "status": StreamStatus.ENDED.value,
                "started_at": begin,
                "ended_at": begin + LENGTH,
            },
            key=f"history-{day + 1:02}",
        )
        if fresh:
            await open_rooms(stream.key)
            await Product.bulk_create(
                main.product(stream, place, goods) for place, goods in enumerate(data["products"])
            )
    return stream if fresh else None
