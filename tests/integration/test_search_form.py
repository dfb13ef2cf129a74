"""Names, titles and messages are found however they and the search were typed."""

import itertools
import random
import re
import unicodedata
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tortoise.expressions import Q

from gateway.metrics import Metrics
from gateway.postgres import search
from gateway.postgres.database import Database
from gateway.protocol.text import fold
from migrations import functions
from models.main.product import Product
from models.main.stream import Stream
from models.main.user import User
from tests.support import make_settings

FORM = "SELECT search_form($1) AS form"
NFD = unicodedata.normalize("NFD", "쌀과자")
TEXTS = [
    "쌀과자 Café", NFD, "ㅂㅏㅂㅗ 시바ㄹ 없ㅄ 과ㅘ 닭볶음", "Straße STRASSE", "ＦＵＬＬ ｗｉｄｔｈ", "ﾊﾞｶ バカ",
    "ΟΔΟΣ οδος", "b\u200ba\u0301d\ufe0f \u2800\u3164", "Й й ё", "กิน काम", "👨‍👩‍👧‍👦 ❤️", "a\nb\tc", "½ ﬁ ㎏ ⓐ",
]  # fmt: skip


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    yield database
    await database.close()


async def test_the_database_folds_as_the_gateway_does(database: Database) -> None:
    for text in TEXTS:
        [row] = await database.query(FORM, text)
        assert row["form"] == fold(text), ascii(text)


@pytest.mark.parametrize(
    ("name", "searches"),
    [
        ("쌀과자", ["쌀과자", NFD, "과ㅈ", "쌀\u200b과", "과자", "쌀ㄱㅗㅏㅈㅏ"]),
        (NFD, ["쌀과자", NFD]),
        ("ＲＩＣＥ Cake", ["rice cake", "ｒｉｃｅ", "RICE"]),
        ("Große Straße", ["grosse", "STRASSE", "straße"]),
        ("Crème brûlée", ["creme", "BRÛLÉE", "cre\u0300me"]),
        ("100% cotton_x", ["100%", "n_x"]),
    ],
)
async def test_products_and_users_are_found(database: Database, name: str, searches: list[str]) -> None:
    user = await User.create(email="ann@example.com", username=name, password_hash="-")
    await User.create(email="bob@example.com", username="nobody", password_hash="-")
    stream = await Stream.create(key="show", title="x", host=user)
    await Product.create(stream=stream, name=name, description="", price=Decimal(1), stock=1)
    await Product.create(stream=stream, name="other", description="1000 cottonyx", price=Decimal(1), stock=1)
    for text in searches:
        for limit in (1, 10):  # a full page is of the newest rows, another one of the index
            assert [found.username for found in await users(database, text, limit)] == [name], text
            assert [found.name for found in await products(database, text, limit)] == [name], text
    assert len(await users(database, "ann@EXAMPLE", 10)) == 1
    assert not await products(database, "쌀과즈 strasze", 10)


async def test_the_index_finds_what_is_not_among_the_newest(database: Database, monkeypatch: Any) -> None:
    monkeypatch.setattr(search, "NEWEST_COMPUTED", 3)
    host = await User.create(email="ann@example.com", username="ann", password_hash="-")
    titles = ["쌀과자 \\ O'Neill's", "z", *("봄 신상" for _ in range(10))]
    for number, title in enumerate(titles):
        await Stream.create(key=f"show-{number}", title=title, host=host)
    for text in ("쌀과", "'neill'", "\\", "\\ o'", "s", "과자 "):
        found = await search.containing(database, Stream.all(), text, ("-created_at", "-key"), 5, "title")
        assert [stream.key for stream in found] == ["show-0"], text
    for text, expected in (
        ("z", ["show-1"]),
        ("신상", [f"show-{number}" for number in range(11, 6, -1)]),
        ("봄상", []),
    ):
        found = await search.containing(database, Stream.all(), text, ("-created_at", "-key"), 5, "title")
        assert [stream.key for stream in found] == expected, text


async def test_a_page_is_full_although_a_row_of_it_is_deleted(database: Database, monkeypatch: Any) -> None:
    for number in range(4):
        await User.create(email=f"u{number}@example.com", username=f"사과 {number}", password_hash="-")
    among, deleted = search._among, 0

    async def with_a_deletion(*arguments: Any) -> list[object]:
        nonlocal deleted
        keys = await among(*arguments)
        if not deleted:
            deleted = await User.filter(id=keys[0]).delete()
        return keys

    monkeypatch.setattr(search, "_among", with_a_deletion)
    assert [user.username for user in await users(database, "사과", 3)] == ["사과 2", "사과 1", "사과 0"]


@pytest.mark.parametrize("newest", [1, 3, 1000])
async def test_filtered_pages_are_those_of_all_rows(database: Database, monkeypatch: Any, newest: int) -> None:
    monkeypatch.setattr(search, "NEWEST", newest)
    start, steps = datetime(2026, 1, 1, tzinfo=UTC), (0, 1, 1, 2, 3, 3, 3, 5, 8, 8, 9, 9)
    rows = [
        await User.create(
            email=f"u{number}@example.com",
            username=("봄 사과", "여름 사과", "사람")[number % 3] + f" {number}",
            password_hash="-",
            role=("USER", "HOST")[number % 2],
        )
        for number in range(len(steps))
    ]
    for user, step in zip(rows, steps, strict=True):
        await User.filter(id=user.id).update(created_at=start + timedelta(seconds=step))
    ordered = [user async for user in User.all().order_by("-created_at", "-id")]
    after = start + timedelta(seconds=8)
    earlier = Q(created_at__lt=after) | Q(created_at=after, id__lt=ordered[2].id)  # as a cursor is
    for text, limit, role in itertools.product(("사과", "봄", "사과 1", "없음"), (1, 2, 50), ("USER", "HOST")):
        found = await search.containing(database, User.filter(earlier, role=role), text, ("-created_at", "-id"), limit)
        expected = [
            user.id
            for user in ordered
            if user.role == role and text in user.username and (user.created_at, user.id) < (after, ordered[2].id)
        ]
        assert [user.id for user in found] == expected[:limit], (text, limit, role)


async def users(database: Database, text: str, limit: int) -> list[User]:
    return await search.containing(database, User.all(), text, ("-created_at", "-id"), limit)


async def products(database: Database, text: str, limit: int) -> list[Product]:
    return await search.containing(database, Product.all(), text, ("-id",), limit)


MATCHES = "SELECT message_terms($1) @@ message_query($2) AND message_contains($1, $2) AS found"


@pytest.mark.parametrize(
    ("message", "asked", "found"),
    [
        (NFD, "쌀과자", True),
        ("쌀과자", NFD, True),
        ("쌀\u200b과\ufe0f자", "쌀과자", True),
        ("쌀과자", "쌀\u3164과자", True),
        ("ㅂㅏㅂㅗ", "바보", True),
        ("ＦＵＬＬ", "full", True),
        ("Große Straße", "strasse", True),
        ("STRASSE", "straße", True),
        ("쌀과자", "쌀과즈", False),
    ],
)
async def test_messages_are_found(database: Database, message: str, asked: str, found: bool) -> None:
    [row] = await database.query(MATCHES, message, asked)
    assert row["found"] is found


# What texts are mixed of: ASCII, Hangul, jamo of both kinds and fillers, pictures, what folds, controls.
LETTERS = (
    "abcXYZ019 _-!?.,~'\\ \t\n",
    "가나다쌀과자힣각뷁",
    "ㅋㅎㅠㅜㅏㅂㄳㄱ",
    "\u1100\u1161\u11a8\u115f\u1160\u3164",
    "😍👍🏽\U0001f1f0❤\ufe0f\u200d",
    "éßİKﬁ①ＡｂЖя中文カﾞกิ\u200b\x01\x0b",
    "z",
)
LONG = ["z" * 64, "z" * 65, "Z" * 65 + "가", " ", "ㅋ" * 100, "가" * 500, "A1" * 40 + " 가나"]


async def test_common_texts_have_the_terms_of_the_long_way(database: Database) -> None:
    """The function without its short way answers the same for texts of all kinds of letters."""
    text = (functions.FOLDER / "message_terms.sql").read_text()
    short = re.compile(r"DECLARE.*?BEGIN\n.*?RETURN array_to_tsvector\(terms\);\n    END IF;\n", re.DOTALL)
    long, found = short.subn("BEGIN\n", text.replace('"message_terms"', "pg_temp.long_terms"))
    assert found == 1
    draw = random.Random(1)
    kinds = [draw.sample(LETTERS, draw.choice((1, 2, 2, 3, 7))) for _ in range(5000)]
    texts = ["".join(draw.choice(draw.choice(kind)) for _ in range(draw.randrange(1, 40))) for kind in kinds] + LONG
    different = "SELECT t FROM unnest($1::text[]) t WHERE message_terms(t) IS DISTINCT FROM pg_temp.long_terms(t)"
    async with database.transaction():
        await database.query(long)
        rows = await database.query(different, texts)
        assert [ascii(row["t"]) for row in rows] == []
