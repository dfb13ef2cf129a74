"""The data browser: who gets in, what is shown and what never is."""

import json
import re
from collections.abc import AsyncIterator, Callable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.data.studio.edits import ChangeLog
from gateway.data.studio.server import Studio
from gateway.data.studio.tables import SECRET
from gateway.seeds import main as seeds
from tests.integration.data.terminal import at_terminal, dorami, run, wrong
from tests.support import Databases, make_settings
from tests.timing import time_limit

TOKEN = "t" * 43
Client = TestClient[Any, Any]


@pytest.fixture(scope="module")
async def pools(databases: Databases) -> AsyncIterator[dict[str, Any]]:
    """Two databases, one of them made without models."""
    urls = await databases.migrated(), await databases.empty()
    await seeds.sow(make_settings(database_url=urls[0]))
    await run(
        urls[1],
        'CREATE TABLE "주문 메모" (a int, b int, "내용" text, api_token text, PRIMARY KEY (a, b));'
        "INSERT INTO \"주문 메모\" SELECT n, 1, 'memo ' || n, 'hidden' FROM generate_series(1, 120) n;"
        "INSERT INTO \"주문 메모\" VALUES (1000, 1, normalize('달항아리', NFD), NULL), (1001, 1, '100%_\\', NULL);"
        'CREATE VIEW few AS SELECT a FROM "주문 메모" WHERE a < 4',
    )
    made = {name: await asyncpg.create_pool(url) for name, url in zip(("main", "second"), urls, strict=True)}
    yield made
    for pool in made.values():
        pool.terminate()
    for url in urls:
        await databases.drop(url)


@pytest.fixture
async def client(pools: dict[str, Any]) -> AsyncIterator[Client]:
    """Return the browser of somebody who has not opened the link."""
    async with TestClient(TestServer(Studio(pools, TOKEN).application())) as opened:
        yield opened


async def text(client: Client, path: str, status: int = 200) -> str:
    async with client.get(path) as answer:
        said = unescape(await answer.text())
        assert answer.status == status, said
        return said


async def enter(client: Client) -> None:
    await text(client, f"/?token={TOKEN}")


def cells(page: str) -> list[str]:
    return re.findall(r"<td>(?:<a [^>]*>)?([^<]*)", page)


async def test_the_link_opens_once_and_only_to_read(client: Client) -> None:
    for path in ("/", "/main/users", "/?token=wrong", "/?token="):
        assert "opens once" in await text(client, path, 401)
    await enter(client)
    await text(client, "/")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        async with client.request(method, "/main/users") as answer:
            assert answer.status == 405
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost@evil.example", ""):
        async with client.get("/", headers={"Host": host}) as answer:
            assert answer.status == 403
    async with client.get("/main/users") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
    client.session.cookie_jar.clear()
    await text(client, f"/?token={TOKEN}", 401)


async def test_all_tables_of_all_databases_are_there(client: Client) -> None:
    await enter(client)
    page = await text(client, "/")
    for name in ("users", "chat_turns", "stream_viewers", "aerich", "주문 메모", "few"):
        assert f">{name}</a>" in page
    for table in re.findall(r"<td><a href='([^']+)'", page):
        await text(client, table)
    assert await text(client, "/main/nothing", 404)
    assert await text(client, "/nothing/users", 404)


async def test_secrets_are_neither_shown_nor_told_by_comparing(client: Client) -> None:
    await enter(client)
    page = await text(client, "/main/users")
    assert "••••" in page
    assert "argon2" not in page
    (row,) = set(re.findall(r"/main/users/row\?[^']+", page)[:1])
    assert "argon2" not in await text(client, row)
    await text(client, "/main/users?column=password_hash&comparison=contains&value=argon2", 400)
    await text(client, "/main/users?order=password_hash", 400)
    assert "0 rows" in await text(client, "/main/users?q=argon2")
    assert "0 rows" in await text(client, "/second/주문%20메모?q=hidden")
    for name in (
        "password_hash",
        "token_hash",
        "refresh_token",
        "device",
        "salt",
        "spent",
        "webhook_secret",
        "api_key",
    ):
        assert SECRET.search(name)
    for name in ("key", "description", "hashtag", "stock", "currency"):
        assert not SECRET.search(name)


async def test_rows_are_searched_filtered_sorted_and_paged(client: Client) -> None:
    await enter(client)
    memo = "/second/주문%20메모"
    first = await text(client, memo)
    assert "122 rows" in first
    assert "rel=next" in first
    last = await text(client, f"{memo}?page=3")
    assert "rel=prev" in last
    assert "rel=next" not in last
    assert ">1 row<" in await text(client, f"{memo}?q=달항아리")  # typed composed, stored decomposed
    assert "1 row" in await text(client, f"{memo}?q=100%25_%5C")
    assert "12 rows" in await text(client, f"{memo}?column=a&comparison=at+most&value=12")
    top = await text(client, f"{memo}?order=a&descending=1")
    assert "1001" in cells(top)[:3]
    both = await text(client, f"{memo}?f=a%0Aat+least%0A5&column=a&comparison=at+most&value=6")
    assert "2 rows" in both
    assert "a at least 5" in both


async def test_what_cannot_be_asked_is_said(client: Client) -> None:
    await enter(client)
    for query in ("page=0", "page=x", "f=id", "f=id%0Ais%0Ano-uuid", "f=id%0Alike%0Ax", "order=nothing", "q=%00"):
        assert "That did not work" in await text(client, f"/main/users?{query}", 400)


async def test_rows_lead_to_each_other(client: Client) -> None:
    await enter(client)
    page = await text(client, "/main/products")
    stream = next(link for link in re.findall(r"href='([^']+)'", page) if link.startswith("/main/streams?"))
    rows = await text(client, stream)
    assert "1 row" in rows
    (row,) = set(re.findall(r"/main/streams/row\?[^']+", rows))
    one = await text(client, row)
    assert re.search(r"products</a></td><td>by stream_key</td><td>6<", one)
    two_columns = await text(client, "/second/주문%20메모")
    (link,) = set(re.findall(r"/second/[^']+/row\?f=a%0Ais%0A7&[^']+", two_columns))
    assert "memo 7" in await text(client, link)


# --- changes ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def writer(pools: dict[str, Any], tmp_path: Path) -> AsyncIterator[Client]:
    """Return the browser of somebody who may change values and has opened the link."""
    changes = ChangeLog(tmp_path / "kept" / "changes.jsonl")
    async with TestClient(TestServer(Studio(pools, TOKEN, changes).application())) as opened:
        await enter(opened)
        yield opened


async def row_of(client: Client, table: str, **key: str) -> tuple[str, str]:
    """Return the path of a row and its page."""
    filters = [("f", f"{name}\nis\n{value}") for name, value in key.items()]
    path = f"{table}/row?{urlencode(filters)}"
    return path, await text(client, path)


def form_of(page: str, column: str) -> dict[str, str]:
    """Return the hidden fields of the form that changes a column."""
    pattern = (
        rf"name=token value='([^']+)'><input type=hidden name=column value='{column}'>.*?name=state value='([^']+)'"
    )
    (found,) = re.findall(pattern, page)
    return {"token": found[0], "column": column, "state": found[1]}


async def post(client: Client, path: str, form: dict[str, str]) -> int:
    async with client.post(path, data=form, allow_redirects=False) as answer:
        return answer.status


async def test_a_value_is_changed_once_noted_and_counted_as_a_version(
    writer: Client, pools: dict[str, Any], tmp_path: Path
) -> None:
    number, version, name = await pools["main"].fetchrow("SELECT id, version, name FROM products ORDER BY id LIMIT 1")
    path, page = await row_of(writer, "/main/products", id=str(number))
    form = form_of(page, "name") | {"value": "달항아리\r\n<b>두 번째</b>"}
    assert await post(writer, path, form) == 303
    assert await post(writer, path, form) == 400, "the value that was shown is no longer there"
    row = await pools["main"].fetchrow("SELECT version, name FROM products WHERE id = $1", number)
    assert tuple(row) == (version + 1, "달항아리\n<b>두 번째</b>")
    assert "<b>" not in (await (await writer.get(path)).text()).partition("<main>")[2]
    file = tmp_path / "kept" / "changes.jsonl"
    (line,) = map(json.loads, file.read_text().splitlines())
    told = [line[key] for key in ("database", "table", "row", "column", "from", "to")]
    assert told == ["main", "products", {"id": str(number)}, "name", name, "달항아리\n<b>두 번째</b>"]
    assert file.stat().st_mode & 0o777 == 0o600
    _, page = await row_of(writer, "/main/products", id=str(number))
    assert await post(writer, path, form_of(page, "name") | {"value": name}) == 303


async def test_null_is_another_value_than_nothing(writer: Client, pools: dict[str, Any]) -> None:
    memo, statement = "/second/주문%20메모", 'SELECT "내용" FROM "주문 메모" WHERE a = 3'
    for given, stored in (({"null": "1", "value": "x"}, None), ({"value": ""}, ""), ({"value": "memo 3"}, "memo 3")):
        path, page = await row_of(writer, memo, a="3", b="1")
        assert await post(writer, path, form_of(page, "내용") | given) == 303
        assert await pools["second"].fetchval(statement) == stored


async def test_what_may_not_be_changed_stays(writer: Client, client: Client, pools: dict[str, Any]) -> None:
    user, room = await pools["main"].fetchval("SELECT id FROM users LIMIT 1"), "/chat live:demo"
    path, page = await row_of(writer, "/main/users", id=str(user))
    good = form_of(page, "role") | {"value": "USER"}
    for column in ("id", "password_hash", "created_at", "updated_at", "nothing"):
        assert f"name=column value='{column}'" not in page
        assert await post(writer, path, good | {"column": column}) == 400
    assert await post(writer, path, good | {"value": "EMPEROR" * 100}) == 400, "the column refuses it"
    assert await post(writer, path, good | {"token": "x"}) == 403
    assert await post(writer, path, good | {"state": "NULL"}) == 400
    assert await post(writer, f"{path}&f=role%0Ais%0AADMIN", good) == 400, "a row is named by its key alone"
    assert await post(writer, "/main/users/row", good) == 400
    _, kept = await row_of(writer, "/main/rooms", name=room)
    assert "<form method=post" not in kept
    await enter(client)
    assert await post(client, path, good) == 405, "without --write"
    before = await pools["main"].fetchval("SELECT count(*) FROM users WHERE role = 'USER'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChangeLog, "note", _full)
        assert await post(writer, path, good) == 503
    assert await pools["main"].fetchval("SELECT count(*) FROM users WHERE role = 'USER'") == before


def _full(*_: Any) -> None:
    raise OSError("no space left on the device")


async def test_changing_values_needs_one_database_and_consent(environment: Callable[..., dict[str, str]]) -> None:
    assert (await dorami("studio", "--write", environment=environment())).code == 2
    said = await dorami("studio", "--write", "-d", "main", environment=environment())
    assert said.code == 3
    assert "lets a browser change values of main (development" in said.err
    assert "Nothing was done" in said.err
    wrongly = await at_terminal("studio", "--write", "-d", "main", environment=environment(), replies=[wrong])
    assert wrongly.code == 3


async def test_no_studio_of_production(database_url: str) -> None:
    environment = {
        "RDS_MAIN_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:1",
        "JWT_SECRET": "a-secret-of-production-that-is-long-enough",
    }
    for arguments in ((), ("--write", "-d", "main")):
        async with time_limit(20):
            said = await dorami("studio", *arguments, environment=environment)
        assert said == (3, "", "main is a database of production: the studio is refused\n")
