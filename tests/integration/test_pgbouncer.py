"""The gateway behind PgBouncer in transaction mode: it migrates, starts, serves and starts again."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from gateway.dev.servers import Stack
from gateway.postgres import migrations
from gateway.postgres.migration_files import MigrationError
from tests.conftest import StartNode
from tests.pgbouncer import database_name, pgbouncer
from tests.support import make_settings


@pytest.fixture(scope="module")
def bouncer(servers: Stack) -> Iterator[str]:
    """Return the form of URLs through PgBouncer; `{}` is the name of the database."""
    assert servers.postgres is not None
    with tempfile.TemporaryDirectory(prefix="dorami-test-") as folder, pgbouncer(servers.postgres, Path(folder)) as url:
        yield url


async def test_three_nodes_migrate_once_behind_pgbouncer(bouncer: str, empty_database_url: str) -> None:
    url = bouncer.format(database_name(empty_database_url))
    settings = make_settings(database_url=url, database_pgbouncer=True)
    applied = await asyncio.gather(*(migrations.migrate(settings) for _ in range(3)))
    names = [name for some in applied for name in some]
    assert len(names) == len(set(names)) > 0
    assert await migrations.pending(settings) == []
    for number in range(6):  # more often than the pool has connections: none of them holds the lock
        own = migrations.Migrations("models", [], url, pooled=True, wait=0)
        with pytest.raises(MigrationError, match="no migration"):
            await own.note(f"{number}_none", applied=True)


async def test_a_node_starts_again_and_serves(bouncer: str, database_url: str, start_node: StartNode) -> None:
    url = bouncer.format(database_name(database_url))
    node = await start_node(DATABASE_URL=url, DATABASE_PGBOUNCER="true", HTTP_RATE_LIMIT="1000/second")
    for start in range(3):
        async with aiohttp.ClientSession(f"{node.url}/api/v1/") as http:

            async def guest(http: aiohttp.ClientSession = http) -> int:
                async with http.post("auth/guest", json={}) as answer:
                    token = (await answer.json())["accessToken"]
                async with http.get("auth/me", headers={"Authorization": f"Bearer {token}"}) as answer:
                    return answer.status

            assert set(await asyncio.gather(*(guest() for _ in range(40)))) == {200}, f"start {start}"
            async with http.get("health/ready") as answer:
                assert answer.status == 200
        assert await node.stop() == 0
        if start < 2:
            await node.start()
    assert "Traceback" not in node.logs
