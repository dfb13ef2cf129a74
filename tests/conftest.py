"""The fixtures of all tests: real servers, fresh databases, real nodes. A test that asks for none starts none."""

import asyncio
import inspect
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.dev.servers import PostgresProcess, RedisProcess, Stack
from gateway.settings import Settings
from tests.scheduling import scheduling
from tests.support import Databases, Keyspaces, Node, make_settings, server_folder
from tests.timing import allowed, scaled
from tests.watchdog import ends_within, limited, limited_fixture

StartNode = Callable[..., Awaitable[Node]]


class Loop(uvloop.Loop):
    """The event loop that the gateway uses. It ends with its process."""

    def close(self) -> None:
        """Leave it open: uvloop waits without a limit until all handles are closed that a failed test has left."""


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests on the event loop that the gateway uses."""
    return {"uvloop": Loop}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give tests to processes by files."""
    return scheduling(config, log)


LIMIT = pytest.StashKey[float]()  # s that a test may take
STDERR = pytest.StashKey[int]()  # a descriptor of what is stderr while pytest captures nothing
FIXTURE = 60.0  # s that an asynchronous fixture may take to set up, or to tear down
GRACE = 30.0  # s that a test with its fixtures may go on after its time limit

TIERS = ("unit", "integration", "cluster", "browser")  # folders of tests, and the markers of what is in them


def pytest_configure(config: pytest.Config) -> None:
    """Declare a marker for each tier: `pytest -m unit`."""
    for tier in TIERS:
        config.addinivalue_line("markers", f"{tier}: a test in tests/{tier}/")
    assert sys.__stderr__ is not None
    config.stash[STDERR] = os.dup(sys.__stderr__.fileno())


def limit_of(item: pytest.Item) -> float:
    """Return the seconds that a test may take, without its fixtures; 0 is no limit."""
    own, told = item.get_closest_marker("timeout"), item.config.getoption("timeout")
    if own and own.args:
        return float(own.args[0])
    return float(item.config.getini("timeout") if told is None else told)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End this process when a test goes on after its limit in spite of it; pytest-xdist reports that."""
    limit = item.stash[LIMIT]
    if not limit:
        return (yield)
    with ends_within(allowed(limit + GRACE), item.nodeid, item.config.stash[STDERR]):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    """Limit the time of asynchronous fixtures."""
    function = fixturedef.func
    with pytest.MonkeyPatch.context() as patch:
        if inspect.isasyncgenfunction(function):
            patch.setattr(fixturedef, "func", limited_fixture(function, FIXTURE))
        elif inspect.iscoroutinefunction(function):
            patch.setattr(fixturedef, "func", limited(function, FIXTURE))
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier, and limit the time it may take: coroutines here, others by pytest-timeout."""
    here = Path(__file__).parent
    for item in items:
        tier = item.path.relative_to(here).parts[0]
        if tier in TIERS:
            item.add_marker(tier)
        limit = item.stash[LIMIT] = limit_of(item)
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj) and limit:
            item.obj = limited(item.obj, limit)
            item.add_marker(pytest.mark.timeout(0), append=False)
        else:
            item.add_marker(pytest.mark.timeout(scaled(limit)), append=False)


@pytest.fixture(scope="session")
def servers() -> Iterator[Stack]:
    """One PostgreSQL and one Redis for the whole session, with short paths and without waiting for disks."""
    with server_folder() as folder, Stack(folder, durable=False) as stack:
        yield stack


@pytest.fixture(scope="session")
def databases(servers: Stack) -> Databases:
    """Return a factory of databases, for fixtures with a wider scope than one test, which drop them."""
    assert servers.postgres is not None
    return Databases(servers.postgres)


@pytest.fixture(scope="session")
def keyspaces(servers: Stack) -> Keyspaces:
    """Hands out logical databases of Redis; for fixtures with a wider scope than one test."""
    assert servers.redis is not None
    return Keyspaces(servers.redis)


@pytest.fixture
async def database_url(databases: Databases) -> AsyncIterator[str]:
    """Return a database of this test's own, migrated and empty."""
    url = await databases.migrated()
    yield url
    await databases.drop(url)


@pytest.fixture
async def empty_database_url(databases: Databases) -> AsyncIterator[str]:
    """Return a database of this test's own without any table."""
    url = await databases.empty()
    yield url
    await databases.drop(url)


@pytest.fixture
def redis_url(keyspaces: Keyspaces) -> str:
    """Return an empty logical Redis database of this test's own."""
    return keyspaces.fresh()


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Callable[..., Settings]:
    """Return a factory of settings for this test's own database and Redis, with overrides by field name."""

    def make(**overrides: Any) -> Settings:
        return make_settings(**({"database_url": database_url, "redis_url": redis_url} | overrides))

    return make


UNDECLARED = "a code was answered that is not declared"  # what nodes log then


@pytest.fixture
async def start_node(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[StartNode]:
    """Return a factory of nodes that share this test's database and Redis, with settings by variable name.

    What still runs at the end of the test is stopped.
    """
    nodes: list[Node] = []

    async def start(**environment: str) -> Node:
        node = Node(tmp_path, **({"DATABASE_URL": database_url, "REDIS_URL": redis_url} | environment))
        nodes.append(node)
        await node.start()
        return node

    yield start
    running = [node for node in nodes if node.running]
    for node in running:
        node.resume()
    await asyncio.gather(*(node.stop() for node in running))
    undeclared = [line for node in nodes for line in node.logs.splitlines() if UNDECLARED in line]
    assert undeclared == [], "the documents do not tell of these errors"


@pytest.fixture
def own_redis() -> Iterator[RedisProcess]:
    """Return a Redis of this test's own, to kill, pause and restart; acknowledged writes survive a kill."""
    with server_folder() as folder, RedisProcess(folder / "redis") as redis:
        yield redis


@pytest.fixture
def own_postgres() -> Iterator[PostgresProcess]:
    """Return a PostgreSQL of this test's own, to kill, pause and restart; its database `postgres` is empty."""
    with server_folder() as folder, PostgresProcess(folder / "postgres", durable=False) as postgres:
        yield postgres
