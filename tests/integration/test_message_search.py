"""Moderators find messages wherever they are in a room: among the newest, in the places before, and far back."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tortoise.exceptions import OperationalError

from gateway.metrics import Metrics
from gateway.postgres.client import custom_plans
from gateway.postgres.database import Database
from gateway.protocol.queries import MessageQuery
from gateway.security.principal import Role
from gateway.services.chat import search
from gateway.services.chat.search import MessageSearch
from gateway.services.rooms import places
from gateway.services.rooms.places import NO_END, places_between
from models.main.stream import Stream
from models.main.user import User
from tests.doubles import principal
from tests.support import make_settings

ROOM = "show"
WORDS = ("배송", "무료배송", "색상", "ship", "shipping", "감사합니다")
BEGAN = datetime(2026, 11, 30, 9, tzinfo=UTC)
MANY = 400

STORE = """
    INSERT INTO messages (id, stream_key, seq, sender_id, username, role, text, created_at, deleted_at)
    SELECT gen_random_uuid(), $1, seq, sender, 'somebody', 'GUEST', text, at, CASE WHEN text IS NULL THEN at END
    FROM unnest($2::bigint[], $3::text[], $4::text[], $5::timestamptz[]) AS given (seq, sender, text, at)
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    host = await User.create(email="host@example.com", username="host", password_hash="-")
    await Stream.create(key=ROOM, title="x", host=host)
    await database.query(
        "INSERT INTO rooms (name, stream_key, epoch, seq) VALUES ('r', $1, gen_random_uuid(), $2)", ROOM, 3 * MANY
    )
    yield database
    await database.close()


async def fill(database: Database) -> list[tuple[int, str, str | None, datetime]]:
    """Store messages a minute or two apart, with gaps between their places; every tenth was deleted."""
    draw = random.Random(7)
    rows, seq, moment = [], 0, BEGAN
    for number in range(MANY):
        seq, moment = seq + draw.choice((1, 1, 2, 5)), moment + timedelta(seconds=draw.choice((60, 90)))
        jitter = timedelta(seconds=draw.randrange(-20, 20))  # clocks of several nodes
        text = None if number % 10 == 9 else " ".join(draw.choices(WORDS, (60, 20, 10, 5, 2, 1), k=2))
        rows.append((seq, f"guest_{draw.randrange(5)}", text, moment + jitter))
    await database.query(STORE, ROOM, *(list(column) for column in zip(*rows, strict=True)))
    return rows


async def found(database: Database, **filters: Any) -> list[int]:
    """Return the places of all messages that a moderator finds, read page by page."""
    places: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        ask = MessageQuery.model_validate({"limit": 7, **filters, **cursor})
        page = await MessageSearch(database).page(principal(Role.MODERATOR), ROOM, ask)
        places += [message.seq for message in page.items]
        if page.next_cursor is None:
            return places
        cursor = {"cursor": page.next_cursor}


@pytest.mark.parametrize(("newest", "near"), [(1000, 50_000), (20, 60), (1, 1)])
async def test_searches_find_all_in_order(
    database: Database, monkeypatch: pytest.MonkeyPatch, newest: int, near: int
) -> None:
    monkeypatch.setattr(search, "NEWEST", newest)
    monkeypatch.setattr(search, "NEAR", near)
    rows = list(reversed(await fill(database)))
    for word in ("배송", "무료배송", "ship", "감사", "없는말", "색상 ship", "!?"):
        parts = [part if part >= "가" else f" {part}" for part in word.split()]  # Latin words from their beginning
        expected = [
            seq for seq, _, text, _ in rows if text and word != "!?" and all(map(f" {text}".__contains__, parts))
        ]
        assert await found(database, search=word) == expected, word
    start, end = BEGAN + timedelta(hours=2), BEGAN + timedelta(hours=5)
    expected = [
        seq for seq, who, text, at in rows if text and "배송" in text and who == "guest_1" and start <= at < end
    ]
    assert await found(database, search="배송", userId="guest_1", **{"from": start, "to": end}) == expected


async def test_lists_are_filtered_by_time_sender_and_deletion(database: Database) -> None:
    rows = list(reversed(await fill(database)))
    times = [BEGAN + timedelta(hours=1), BEGAN + timedelta(hours=4, seconds=17), BEGAN + timedelta(days=1)]
    for start in (None, BEGAN, *times):
        for end in times:
            asked = {name: value for name, value in (("from", start), ("to", end)) if value is not None}
            expected = [
                seq for seq, _, text, at in rows
                if text is not None and (start is None or at >= start) and at < end
            ]  # fmt: skip
            assert await found(database, limit=100, **asked) == expected, asked
    assert await found(database, deleted=True, to=times[0]) == [
        seq for seq, _, text, at in rows if text is None and at < times[0]
    ]
    assert await found(database, userId="guest_2") == [seq for seq, who, text, _ in rows if text and who == "guest_2"]


async def test_places_bound_times_with_the_skew_of_clocks(database: Database) -> None:
    rows = await fill(database)
    for moment in (BEGAN - timedelta(days=1), *(at for _, _, _, at in rows[::9]), BEGAN + timedelta(days=1)):
        first, past = await places_between(database, ROOM, moment, moment)
        assert all(seq >= first for seq, _, _, at in rows if at >= moment)
        assert all(seq < past for seq, _, _, at in rows if at < moment)
        near = [at for seq, _, _, at in rows if first <= seq < past]
        assert all(abs(at - moment) <= 2 * places.SKEW for at in near)
    assert await places_between(database, ROOM, None) == (0, NO_END)
    assert await places_between(database, "nowhere", BEGAN, BEGAN) == (1, 1)


KEPT = "SELECT count(*)::int AS kept FROM pg_prepared_statements WHERE statement LIKE '%one of these plans%'"


async def test_custom_plans_are_not_kept(database_url: str) -> None:
    database = Database(make_settings(database_url=database_url, database_pool_size=1), Metrics())
    await database.open()
    try:
        with custom_plans():
            for number in range(10):
                assert await database.query("SELECT $1::int AS x -- one of these plans", number) == [{"x": number}]
                with pytest.raises(OperationalError):
                    await database.query("SELECT 1 / ($1::int - 7) AS x -- one of these plans", 7)
            async with database.transaction():
                assert await database.query("SELECT 1 AS x -- one of these plans") == [{"x": 1}]
        assert (await database.query(KEPT))[0]["kept"] <= 1  # this one
        await database.query("SELECT $1::int AS x -- one of these plans", 1)
        assert (await database.query(KEPT))[0]["kept"] == 2
    finally:
        await database.close()
