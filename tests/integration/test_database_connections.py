"""Several databases of one process: each unavailable by itself, and the answers of routes during that."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import aiohttp
import asyncpg
import pytest

from gateway.dev.servers import PostgresProcess
from gateway.errors import Unavailable
from gateway.http.routes import Call, Reply, Route
from gateway.metrics import Metrics
from gateway.postgres.connections import Databases
from gateway.settings import SettingsError
from tests.conftest import StartNode
from tests.http_edge import edge
from tests.support import frozen_postgres, make_settings, server_folder
from tests.timing import allowed, until


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[PostgresProcess]:
    """Return a server that is killed and frozen; each test leaves it running."""
    with server_folder() as folder, PostgresProcess(folder / "postgres", durable=False) as server:
        yield server


@pytest.fixture
async def connections(database_url: str, elsewhere: PostgresProcess) -> AsyncIterator[Databases]:
    """Return the main database on the server of all tests, and the other one elsewhere."""
    settings = make_settings(database_url=database_url, rds_analytics_url=elsewhere.url)
    opened = Databases(settings, Metrics())
    await opened.open()
    yield opened
    await opened.close()


async def ask(connections: Databases, name: str) -> None:
    async with connections.client_sync(name).guard("test"):
        await connections.client_sync(name).query("SELECT 1")


async def test_a_frozen_database_costs_its_first_users_their_time_and_others_nothing(
    connections: Databases, elsewhere: PostgresProcess
) -> None:
    await ask(connections, "analytics")
    limit = connections.main._timeout
    with frozen_postgres(elsewhere):
        first = [asyncio.create_task(ask(connections, "analytics")) for _ in range(5)]
        others = 0
        while not all(task.done() for task in first):
            await ask(connections, "main")
            others += 1
        for task in first:
            with pytest.raises(Unavailable) as caught:
                await task
            assert caught.value.what == "analytics database"
        assert others > 20

        async def away() -> bool:
            """Use it once more: if a first user was answered just before the freeze, nobody suspects it yet."""
            with suppress(Unavailable):
                await ask(connections, "analytics")
            return connections.client_sync("analytics").watch.away

        await until(away, within=15)
        began = time.monotonic()
        for _ in range(50):
            with pytest.raises(Unavailable):
                await ask(connections, "analytics")
        assert time.monotonic() - began < limit
    await until(lambda: not connections.client_sync("analytics").watch.away, within=10)
    await ask(connections, "analytics")


async def test_a_client_is_checked_when_it_has_not_answered_for_long(
    connections: Databases, elsewhere: PostgresProcess
) -> None:
    probes = connections.main._metrics.database_probes.labels("analytics")
    await connections.client("analytics", 0)
    assert probes._value.get() == 1
    await connections.client("analytics")
    assert probes._value.get() == 1, "it has just answered"
    elsewhere.kill()
    assert connections.client_sync("analytics") is await connections.client("analytics")
    with pytest.raises(Unavailable):
        await connections.client("analytics", 0)
    await asyncio.to_thread(elsewhere.start)
    await until(lambda: not connections.client_sync("analytics").watch.away, within=10)
    await connections.client("analytics")
    await ask(connections, "analytics")


async def test_it_is_tried_until_it_is_back(connections: Databases, elsewhere: PostgresProcess) -> None:
    back = asyncio.Event()

    async def note() -> None:
        back.set()

    connections.on_reconnect("analytics", note)
    elsewhere.kill()
    with pytest.raises(Unavailable):
        await ask(connections, "analytics")
    probes = connections.main._metrics.database_probes.labels("analytics")
    await until(lambda: probes._value.get() >= 3, within=10)
    assert connections.client_sync("analytics").watch.away
    assert not back.is_set()
    await asyncio.to_thread(elsewhere.start)
    async with asyncio.timeout(allowed(10)):
        await back.wait()
    await ask(connections, "analytics")


async def test_a_database_that_is_away_at_the_start_is_used_when_it_is_there(
    database_url: str, elsewhere: PostgresProcess
) -> None:
    elsewhere.kill()
    settings = make_settings(database_url=database_url, rds_analytics_url=elsewhere.url)
    connections = Databases(settings, Metrics())
    await connections.open()
    try:
        await ask(connections, "main")
        with pytest.raises(Unavailable):
            await ask(connections, "analytics")
        await asyncio.to_thread(elsewhere.start)
        await until(lambda: not connections.client_sync("analytics").watch.away, within=10)
        await ask(connections, "analytics")
    finally:
        await connections.close()


async def test_a_database_that_nobody_has_set_is_unavailable_and_an_unknown_one_a_mistake(database_url: str) -> None:
    connections = Databases(make_settings(database_url=database_url), Metrics())
    assert "main" in connections
    assert "analytics" not in connections
    with pytest.raises(Unavailable):
        connections.client_sync("analytics")
    with pytest.raises(SettingsError, match="there is no database ledger"):
        await connections.client("ledger")


# --- routes -----------------------------------------------------------------------------------------------------------


async def test_routes_say_which_databases_they_need(connections: Databases, elsewhere: PostgresProcess) -> None:
    errors: list[str] = []
    back: list[str] = []

    async def strict(_call: Call[None, None]) -> Reply:
        return Reply(None, status=200)

    async def lenient(call: Call[None, None]) -> Reply:
        return Reply(None, status=206 if call.away else 200)

    async def reconnected(name: str) -> None:
        back.append(name)

    needs = ("analytics",)
    routes = [
        Route("GET", "/other", strict),
        Route("GET", "/strict", strict, databases=needs, check_interval=0, on_error=errors.append),
        Route(
            "GET",
            "/lenient",
            lenient,
            databases=needs,
            check_interval=0,
            continue_on_failure=True,
            on_error=errors.append,
            on_reconnect=reconnected,
        ),
    ]
    async with edge(routes, databases=connections) as client:

        async def statuses() -> list[int]:
            answers = [await client.get(path) for path in ("/other", "/strict", "/lenient")]
            if answers[1].status == 503:
                assert answers[1].headers["Retry-After"] == "1"
                assert (await answers[1].json())["errorCode"] == "SERVICE_UNAVAILABLE"
            return [answer.status for answer in answers]

        assert await statuses() == [200, 200, 200]
        elsewhere.kill()
        assert await statuses() == [200, 503, 206]
        assert errors == ["analytics", "analytics"]
        assert back == []
        await asyncio.to_thread(elsewhere.start)
        await until(lambda: back == ["analytics"], within=10)
        assert await statuses() == [200, 200, 200]

        limit = connections.main._timeout
        with frozen_postgres(elsewhere):
            first = [asyncio.create_task(client.get(path)) for path in ("/strict", "/lenient") * 3]
            others = 0
            while not all(task.done() for task in first):
                assert (await client.get("/other")).status == 200
                others += 1
            assert [(await task).status for task in first] == [503, 206] * 3
            assert others > 10, "routes of another database do not notice"
            began = time.monotonic()
            for _ in range(10):
                assert await statuses() == [200, 503, 206]
            assert time.monotonic() - began < 5 * limit, "of 20 later callers none waits"
            assert errors == ["analytics"] * (2 + 6 + 20)
            assert back == ["analytics"]
        await until(lambda: back == ["analytics"] * 2, within=10)
        assert await statuses() == [200, 200, 200]


async def test_a_node_is_ready_without_its_analytics_database(
    start_node: StartNode, database_url: str, elsewhere: PostgresProcess
) -> None:
    """It is absent when the node starts, comes, and freezes: only the routes that need it notice."""
    elsewhere.kill()
    node = await start_node(RDS_ANALYTICS_URL=elsewhere.url)
    async with aiohttp.ClientSession(node.url) as http:
        who = {"email": "colin@example.com", "username": "colin", "password": "correct horse"}
        token = (await (await http.post("/api/v1/auth/register", json=who)).json())["accessToken"]
        connection = await asyncpg.connect(database_url)
        await connection.execute("UPDATE users SET role = 'ADMIN'")
        await connection.close()

        async def statuses() -> tuple[int, int, int]:
            """Return the statuses of readiness, of a route of main, and of one of analytics."""
            ready, main = await http.get("/api/v1/health/ready"), await http.get("/api/v1/streams/active")
            sales = await http.get("/api/v1/analytics/sales", headers={"Authorization": f"Bearer {token}"})
            if sales.status == 503:
                assert int(sales.headers["Retry-After"]) >= 1
            return ready.status, main.status, sales.status

        async def become(*wanted: int) -> None:
            async def there() -> bool:
                return await statuses() == wanted

            await until(there, within=20)

        assert await statuses() == (200, 200, 503)
        await asyncio.to_thread(elsewhere.start)

        async def back() -> bool:
            now = await statuses()
            assert now[2] in (200, 503), "it is migrated before it is used"
            return now == (200, 200, 200)

        await until(back, within=20)
        with frozen_postgres(elsewhere):
            await become(200, 200, 503)
            began = time.monotonic()
            for _ in range(10):
                assert await statuses() == (200, 200, 503)
            assert time.monotonic() - began < 5 * allowed(1.8), "of 10 later callers at most the first two wait"
        await become(200, 200, 200)
