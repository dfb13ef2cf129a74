"""The mark of production, which a node leaves in its database, and URLs without passwords."""

import asyncpg
import pytest

from gateway.data.target import Target, mark, without_password
from gateway.postgres.databases import MAIN
from tests.conftest import StartNode
from tests.integration.data.terminal import fetchval, run
from tests.support import make_settings


async def production(url: str) -> bool:
    target = Target(MAIN, make_settings(database_url=url))
    async with target.connect() as connection:
        return await target.production(connection)


async def test_a_node_of_production_marks_its_database_and_no_other(start_node: StartNode, database_url: str) -> None:
    await start_node()
    assert not await production(database_url)
    node = await start_node(APP_ENV="production", JWT_SECRET="a-secret-of-production-that-is-long-enough")
    assert await production(database_url)
    await node.stop()


@pytest.mark.parametrize("comment", [None, "우리 가게"])
async def test_whoever_owns_a_database_can_mark_it(comment: str | None, empty_database_url: str) -> None:
    """A parameter of a database needs a superuser, whom managed servers do not give."""
    name = await fetchval(empty_database_url, "SELECT current_database()")
    owner = f"owner_of_{name}"
    await run(empty_database_url, f"CREATE ROLE {owner} LOGIN; ALTER DATABASE {name} OWNER TO {owner}")
    if comment is not None:
        await run(empty_database_url, f"COMMENT ON DATABASE {name} IS '{comment}'")
    url = empty_database_url.replace("postgres@", f"{owner}@", 1)
    settings = make_settings(database_url=url)
    assert await mark(settings, [MAIN]) == ["main"]
    assert await mark(settings, [MAIN]) == []
    assert await production(url)
    said = await fetchval(
        url, f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{name}'"
    )
    assert said.startswith(comment or "dorami.environment")

    copy = f"copy_of_{name}"
    connection = await asyncpg.connect(empty_database_url.replace(name, "postgres", 1))
    await connection.execute(f"CREATE DATABASE {copy} TEMPLATE {name}")
    assert not await production(empty_database_url.replace(name, copy, 1))
    await connection.execute(f"DROP DATABASE {copy}")
    await connection.close()


async def test_a_database_that_is_away_is_not_marked() -> None:
    assert await mark(make_settings(), [MAIN]) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@db.example:5433/shop?sslmode=require", "postgresql://me@db.example:5433/shop"),
        ("postgresql://me@/shop?host=/run&password=secret", "postgresql://me@/shop"),
        ("postgresql://db/shop", "postgresql://db/shop"),
    ],
)
def test_urls_for_people_have_no_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
