"""What `list`, `status`, `debug` and `version` tell of databases that are there."""

import asyncio
import json
from collections.abc import Callable

import asyncpg

from gateway import __version__
from gateway.postgres.databases import ANALYTICS, MAIN
from gateway.postgres.migration_files import read
from tests.integration.data.terminal import dorami, run
from tests.timing import until

Environment = Callable[..., dict[str, str]]


async def test_the_list_tells_of_each_database(
    environment: Environment, database_url: str, empty_database_url: str
) -> None:
    await run(database_url, "INSERT INTO revocations VALUES ('k', 'v', now()); CREATE TABLE mine (id int)")
    both = environment(RDS_ANALYTICS_URL=empty_database_url)
    told = await dorami("list", "--count", "--json", environment=both)
    assert told.code == 0, told.err
    main, analytics = json.loads(told.out)["databases"]
    number = len(read(MAIN.migrations))
    assert (main["state"], main["applied"], main["pending"], main["drift"]) == ("up", number, 0, 1)
    assert main["rows"] >= 1
    assert (analytics["applied"], analytics["pending"]) == (0, len(read(ANALYTICS.migrations)))

    lines = (await dorami("list", environment=environment())).out.splitlines()
    assert lines[0].split() == ["NAME", "LABEL", "URL", "STATE", "APPLIED", "PENDING", "DRIFT"]
    assert "RDS_ANALYTICS_URL is not set" in lines[2]

    all_ = await dorami("status", "-a", environment=both)
    assert "main: up to date" in all_.out


async def test_debug_names_who_waits_for_whom(environment: Environment, database_url: str) -> None:
    holder, waiter = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    async with holder.transaction():
        await holder.execute("LOCK TABLE users")
        waiting = asyncio.create_task(waiter.execute("SELECT count(*) FROM users"))
        await until(
            lambda: holder.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass"),
            what="somebody who waits",
        )
        told = await dorami("debug", "--json", environment=environment())
        seen = await dorami("debug", environment=environment())
    await waiting
    answer = json.loads(told.out)
    assert [one["blocked_by"] for one in answer["waiting"]] == [[holder.get_server_pid()]]
    assert f"waiting      {waiter.get_server_pid()} for {holder.get_server_pid()}: SELECT count(*)" in seen.out
    await asyncio.gather(holder.close(), waiter.close())


async def test_status_names_an_index_whose_creation_was_broken_off(environment: Environment, database_url: str) -> None:
    await run(database_url, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'messages_by_term'::regclass")
    said = await dorami("status", environment=environment())
    assert said.code == 1
    assert said.out.startswith("invalid index messages_by_term")


async def test_versions_need_no_database(environment: Environment) -> None:
    told = await dorami("version", "--json", environment=environment(RDS_MAIN_URL=""))
    assert json.loads(told.out)["versions"]["dorami"] == __version__
