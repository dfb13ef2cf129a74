"""Fills the database of a shop of a given size by SQL. Used by growth.py."""

from typing import Final
from uuid import UUID

import asyncpg

FULL: Final = 3_000_000  # messages of the large shop; the other tables are in proportion
BIG: Final = "big"  # the room with a third of all messages
STAFF: Final = 200  # one of so many accounts is staff
SUSPENDED: Final = 1000

# Words of a show in Korea, most common first: the first is in nearly all messages, the fifth in one of eight.
# fmt: off
WORDS: Final = [
    "배송",
    "사이즈",
    "색상",
    "가격",
    "구매",
    "할인",
    "안녕하세요",
    "언제",
    "주문",
    "너무",
    "예뻐요",
    "감사합니다",
    "쿠폰",
    "재입고",
    "무료배송",
    "검정색",
    "화이트",
    "교환",
    "반품",
    "라이브",
    "한정",
    "수량",
    "결제",
    "카드",
    "포인트",
    "적립",
    "선물",
    "포장",
    "세트",
    "추천",
    "후기",
    "품절",
    "신상",
    "오늘",
    "내일",
    "도착",
    "ㅋㅋㅋ",
    "ㅠㅠ",
    "hello",
    "size",
    "color",
    "price",
    "ship",
]
# fmt: on
# Chat in Korea, for batches of messages.
TEXTS: Final = (
    "안녕하세요 이거 색상 다른 것도 있나요?",
    "배송은 언제쯤 될까요",
    "ㅋㅋㅋㅋ 너무 예뻐요",
    "재입고 언제 되나요 😍",
    "저 방금 주문했어요 감사합니다",
    "가격 실화인가요",
)
RARE: Final = "희귀한말"  # only in the oldest message of the big room

# $1 rows, with times over three hundred days.
MADE: Final = """
    (
        SELECT n, timestamptz '2026-01-01' + n * interval '300 days' / $1 AS moment FROM generate_series(1, $1::int) n
    ) made
"""

USERS: Final = f"""
    INSERT INTO users (id, email, username, password_hash, role, status, suspended_reason, created_at, updated_at)
    SELECT md5('user' || n)::uuid,
        'user' || n || '@' || (ARRAY['example.com', 'shop.example', 'mail.example'])[1 + n % 3],
        (ARRAY['민지', '서연', 'minji', 'viewer', '하늘', '지우', 'alex', '도윤'])[1 + n % 8] || '_' || n, '-',
        CASE WHEN n % $2 <> 0 THEN 'USER' WHEN n % ($2 * 5) = 0 THEN 'MODERATOR' ELSE 'HOST' END,
        CASE WHEN n % $3 = 1 THEN 'SUSPENDED' ELSE 'ACTIVE' END, CASE WHEN n % $3 = 1 THEN 'spam' END, moment, moment
    FROM {MADE}
"""
ADMIN: Final = """
    INSERT INTO users (id, email, username, password_hash, role, status, created_at, updated_at)
    VALUES ($1, 'admin@example.com', 'admin', '-', 'ADMIN', 'ACTIVE', now(), now())
"""
STREAMS: Final = f"""
    INSERT INTO streams (key, title, description, host_id, status, started_at, ended_at, closes_at, created_at,
        updated_at, orders_when_not_live, peak_viewers, total_viewers)
    SELECT CASE n WHEN $1 THEN $3 ELSE 's' || n END,
        (ARRAY['겨울 코트', 'Summer sale', '주방 용품', '신상 특가'])[1 + n % 4] || ' ' || n,
        '', md5('user' || (1 + n % $2))::uuid, CASE WHEN n < 20 OR n = $1 THEN 'LIVE' ELSE 'ENDED' END, moment,
        CASE WHEN n BETWEEN 20 AND $1 - 1 THEN moment + interval '1 hour' END,
        CASE WHEN n BETWEEN 20 AND $1 - 1 THEN moment + interval '2 hours' END, moment, moment,
        false, 0, 0
    FROM {MADE}
"""
ROOMS: Final = """
    INSERT INTO rooms (name, stream_key, epoch, seq)
    SELECT namespace || key, key, gen_random_uuid(), 0
    FROM streams, unnest(ARRAY['/chat live:', '/ stream:', '/streaming stream:']) namespace
"""
PRODUCTS: Final = f"""
    INSERT INTO products (stream_key, name, description, price, stock, sort_order, created_at, updated_at,
        discount_rate, images, is_new, version)
    SELECT 's' || (1 + n % ($2 - 1)),
        (ARRAY['울 코트', '머그컵', 'Rice cake', '쌀과자', '스니커즈', 'Cotton shirt'])[1 + n % 6] || ' ' || n,
        'No. ' || n || ' 무료배송 한정 수량', 1000 + n % 90000, n % 50, n % 20, moment, moment,
        0, '{{}}', false, 1
    FROM {MADE}
"""
ORDERS: Final = f"""
    WITH placed AS (
        INSERT INTO orders (id, user_id, status, total, created_at, expires_at, paid_at)
        SELECT md5('order' || n)::uuid, md5('user' || (1 + n % $2))::uuid, 'PAID', 1000, moment, moment, moment
        FROM {MADE}
    )
    INSERT INTO order_items (order_id, product_id, stream_key, name, price, quantity)
    SELECT md5('order' || n)::uuid, 1 + n % $3, 's' || (1 + n % ($4 - 1)), '울 코트', 1000, 1
    FROM generate_series(1, $1::int) n
"""
# A third in the big room, the others in ended shows. Texts have four words by their rank, and a unique number.
# Each sender writes several messages: eight people in each room, and every seventeenth account in the big room.
MESSAGES: Final = """
    INSERT INTO messages (id, stream_key, seq, sender_id, user_id, username, role, text, client_message_id, created_at)
    SELECT gen_random_uuid(), room, seq, md5('user' || sender)::uuid::text, md5('user' || sender)::uuid,
        'viewer_' || sender, 'USER', text, gen_random_uuid()::text,
        timestamptz '2026-01-01' + n * interval '300 days' / $1
    FROM (
        SELECT n, CASE n % 3 WHEN 0 THEN $5 ELSE 's' || (1 + (n / 3 * 2 + n % 3) * ($3::int8 - 1) / $1) END AS room,
            CASE n % 3 WHEN 0 THEN n / 3 ELSE n END AS seq,
            1 + CASE n % 3 WHEN 0 THEN abs(hashint8(n)::int8) % ($2::int8 / 17)
                ELSE ((n / 3 * 2 + n % 3) * ($3::int8 - 1) / $1 * 31 + abs(hashint8(n)::int8) % 8) % $2 END AS sender,
            (SELECT string_agg(($4::text[])[least(
                cardinality($4::text[]), floor(1 / (0.001 + abs(hashint8(n * 8 + w) % 100000) / 100000.0))::int
            )], ' ') FROM generate_series(1, 4) w) || ' ' || n AS text
        FROM generate_series($6::int8, $7::int8) n
    ) made
"""
DELETIONS: Final = """
    WITH doomed AS (SELECT id, text FROM messages WHERE stream_key = $1 AND seq % 100 = 0), erased AS (
        UPDATE messages m SET text = NULL, deleted_at = m.created_at FROM doomed d WHERE m.id = d.id
    )
    INSERT INTO message_deletions (message_id, text, deleted_by, created_at) SELECT id, text, $2, now() FROM doomed
"""
LOG: Final = """
    INSERT INTO moderation_log (action, stream_key, actor_id, subject_id, details, created_at)
    SELECT (ARRAY['MUTE', 'BAN', 'DELETE_MESSAGE', 'PIN'])[1 + n % 4],
        CASE n % 3 WHEN 0 THEN $3 ELSE 's' || (1 + n % ($4 - 1)) END,
        $5, md5('user' || (1 + n % $2))::uuid::text, '{}', timestamptz '2026-01-01' + n * interval '300 days' / $1
    FROM generate_series(1, $1::int) n
"""
SANCTIONS: Final = """
    INSERT INTO sanctions (id, kind, stream_key, subject_id, created_by, created_at, ends_at)
    SELECT gen_random_uuid(), 'MUTE', 's' || (1 + n % ($3 - 1)), md5('user' || (1 + n % $2))::uuid::text, $4,
        timestamptz '2026-01-01' + n * interval '300 days' / $1, timestamptz '2026-01-02' + n * interval '300 days' / $1
    FROM generate_series(1, $1::int) n ON CONFLICT DO NOTHING
"""
COUNTED: Final = """
    UPDATE rooms r SET seq = coalesce((SELECT max(seq) FROM messages m WHERE m.stream_key = r.stream_key), 0)
    WHERE name LIKE '/chat %'
"""
STEP: Final = 100_000  # messages in one statement


async def fill(url: str, messages: int, admin: UUID) -> dict[str, int]:
    """Fill a migrated, empty database with a shop of so many messages; return the numbers of rows by table."""
    users, streams, products, orders = messages // 6, messages // 60, messages // 15, messages // 10
    log, sanctions = messages // 30, messages // 300
    connection = await asyncpg.connect(
        url, server_settings={"synchronous_commit": "off", "maintenance_work_mem": "512MB"}
    )
    try:
        # Without checks of foreign keys: the references are correct, and the checks would take longer than the rows.
        await connection.execute("SET session_replication_role = replica")
        steps: tuple[tuple[str, tuple[object, ...]], ...] = (
            (ADMIN, (admin,)),
            (USERS, (users, STAFF, SUSPENDED)),
            (STREAMS, (streams, users, BIG)),
            (ROOMS, ()),
            (PRODUCTS, (products, streams)),
            (ORDERS, (orders, users, products, streams)),
            (LOG, (log, users, BIG, streams, admin)),
            (SANCTIONS, (sanctions, users, streams, admin)),
            *(
                (MESSAGES, (messages, users, streams, WORDS, BIG, first, min(first + STEP - 1, messages)))
                for first in range(1, messages + 1, STEP)
            ),
            (DELETIONS, (BIG, admin)),
            (COUNTED, ()),
        )
        for statement, values in steps:
            await connection.execute(statement, *values)
        await connection.execute(
            "UPDATE messages SET text = text || ' ' || $2 WHERE stream_key = $1 AND seq = 1", BIG, RARE
        )
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return {"messages": messages, "users": users, "streams": streams, "products": products, "orders": orders}
