"""Starts and fills the servers of a measurement, and runs the load client. Used by run.py."""

import asyncio
import itertools
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psutil

from bench import proxies
from bench.scenarios import CHAT_LIMIT, CHAT_WINDOW, Scenario, Setup
from bench.servers import ALONE, BATCHING, BUILD, FULL, PAIR, SETTINGS, Server, inherited, pinned
from bench.visitors import Visitors
from gateway.dev.servers import PostgresProcess, RedisProcess, Stack
from gateway.metrics import Metrics
from gateway.postgres import migrations
from gateway.postgres.database import Database
from gateway.security.principal import Role
from gateway.security.tokens.tokens import Tokens
from gateway.services.rooms.log import open_rooms
from gateway.settings import Environment, Settings, load
from models.main.product import Product
from models.main.stream import Stream, StreamStatus
from models.main.user import User

USERS = 10_000
STREAMS = 64  # keys s1, s2, …
TIMEOUT = 120.0  # s for one run of the load client
NO_LIMIT = "1000000/10 seconds"

Measurement = dict[str, Any]  # the output of the load client, and values that stage.py adds


class FailedError(Exception):
    """A measurement failed; the text says why."""


class Stage:
    """PostgreSQL, Redis, accounts and tokens for all measurements of a run: a context manager.

    The measured server has one core; the load client, PostgreSQL, Redis and the second node share the other.
    """

    def __init__(self) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self._core, self._other_core = cores[0], cores[-1]
        self._open = ExitStack()
        self._numbers = itertools.count(1)
        self._secret = secrets.token_urlsafe(32)

    def __enter__(self) -> Self:
        os.sched_setaffinity(0, {self._other_core})  # inherited by all processes that are started from here
        with ExitStack() as opening:
            self._folder = Path(opening.enter_context(tempfile.TemporaryDirectory(prefix="dorami-bench-")))
            self._folder.chmod(0o711)  # for the user that PostgreSQL runs as when we are root
            # Durable, as in production: an acked message is on the disk.
            stack = opening.enter_context(Stack(self._folder / "servers"))
            if stack.postgres is None or stack.redis is None:
                raise FailedError("the servers are not there")
            self._postgres: PostgresProcess = stack.postgres
            self._redis: RedisProcess = stack.redis
            settings = self._settings()
            asyncio.run(migrations.migrate(settings))
            users, admin, self._products = asyncio.run(_fill(settings))
            tokens = Tokens(settings)
            self._admin_token = tokens.issue_access(admin, Role.ADMIN, secrets.token_hex(8))
            lines = [tokens.issue_access(user, Role.USER, secrets.token_hex(8)) for user in users]
            self._tokens = self._folder / "tokens"
            self._tokens.write_text("\n".join(lines) + "\n")
            self._open = opening.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def measure(self, scenario: Scenario, server: str) -> Measurement:
        """Start the servers of a scenario, and return the measurement. Raises FailedError or ServerError."""
        setups = {
            Setup.ALONE: self._alone,
            Setup.CROSS: self._cross,
            Setup.LONE: self._lone,
            Setup.FULL: self._full,
            Setup.MIXED: self._mixed,
            Setup.TLS: self._tls,
            Setup.FAR: self._far,
            Setup.PROGRAM: self._program,
        }
        return setups[scenario.setup](scenario, server)

    # --- the setups ---------------------------------------------------------------------------------------------------

    def _alone(self, scenario: Scenario, name: str) -> Measurement:
        with self._server(ALONE[name], self._core, **SETTINGS.get(name, {})) as server:
            return self._load(scenario, [server], server)

    def _full(self, scenario: Scenario, name: str) -> Measurement:
        asyncio.run(_empty(self._settings()))
        pauses = self._folder / f"pauses-{next(self._numbers)}"
        settings = {"PAUSES": str(pauses)} | dict(scenario.settings)
        with self._server(FULL[name], self._core, **settings) as server:
            started = len(_lines(pauses))
            before = _batches(server.port) if name in BATCHING else (0.0, 0.0)
            # In a storm it may log warnings: it refuses some clients temporarily to serve the others.
            measurement = self._load(scenario, [server], server, calm="-m storm" not in scenario.options)
            messages, calls = _batches(server.port) if name in BATCHING else (0.0, 0.0)
            if calls > before[1]:
                measurement["batch"] = (messages - before[0]) / (calls - before[1])
            measurement["longest_pause_ms"] = max(map(float, _lines(pauses)[started:]), default=0.0)
        return measurement

    def _mixed(self, scenario: Scenario, name: str) -> Measurement:
        """Send HTTP requests during the load: reads of products and shows, and changes of a stock."""
        asyncio.run(_empty(self._settings()))
        with (
            self._server(FULL[name], self._core, HTTP_RATE_LIMIT=NO_LIMIT, **dict(scenario.settings)) as server,
            Visitors(server.port, self._admin_token, self._products) as visitors,
        ):
            measurement = self._load(scenario, [server], server)
        visits = visitors.result()
        if visits["http_failures"]:
            raise FailedError(f"HTTP requests failed: {visits['http_failures']}")
        return measurement | visits

    def _tls(self, scenario: Scenario, name: str) -> Measurement:
        """Put HAProxy with TLS in front of the server; its CPU is the second value."""
        with (
            self._server(ALONE[name], self._core) as server,
            proxies.tls(server.port, self._other_core, self._folder) as front,
        ):
            return self._load(scenario, [server], server, port=front.port, others=[front.pid])

    def _far(self, scenario: Scenario, name: str) -> Measurement:
        """Put a slow network between the load client and the server."""
        with (
            proxies.far(self._other_core) as far,
            self._server([*far.server, *ALONE[name]], self._core, HOST=far.address) as server,
        ):
            return self._load(scenario, [server], server, prefix=far.client, address=far.address)

    def _program(self, scenario: Scenario, name: str) -> Measurement:
        """Run the module of this name, whose output is like that of the load client."""
        settings = self._settings()
        asyncio.run(_empty(settings))
        environment = inherited() | {
            "APP_ENV": "development",
            "DATABASE_URL": self._postgres.url,
            "REDIS_URL": self._redis_url(),
            "JWT_SECRET": self._secret,
            "REDIS_PID": str(self._redis.pid),
            "POSTGRES_PID": str(self._postgres.pid),
        }
        command = [*pinned(self._core), sys.executable, "-m", f"bench.{name}", *scenario.options.split()]
        return self._run(command, environment)

    def _cross(self, scenario: Scenario, name: str) -> Measurement:
        """Connect the senders to one server, and all members to the other one, on the measured core."""
        url = self._redis_url()
        with (
            self._server(PAIR[name], self._other_core, url) as senders,
            self._server(PAIR[name], self._core, url) as members,
            self._bystander(senders.port),
        ):
            return self._load(scenario, [members, senders], senders)

    def _lone(self, scenario: Scenario, name: str) -> Measurement:
        """Connect all clients to one server, on the measured core; the other one has only a client in another room."""
        url = self._redis_url()
        with (
            self._server(PAIR[name], self._core, url) as busy,
            self._server(PAIR[name], self._other_core, url) as idle,
            self._bystander(idle.port),
        ):
            return self._load(scenario, [busy, idle], busy)

    # --- the parts ----------------------------------------------------------------------------------------------------

    def _server(self, command: list[str], core: int, redis_url: str | None = None, **variables: str) -> Server:
        urls = {"redis": redis_url or self._redis_url(), "postgres": self._postgres.url}
        environment = (
            inherited()
            | {
                "APP_ENV": "production",
                "HOST": "127.0.0.1",
                "DATABASE_URL": urls["postgres"],
                "REDIS_URL": urls["redis"],
                "JWT_SECRET": self._secret,
                "JWT_EXPIRATION": "2h",
                # One address and few users make the requests of many people: high limits, which are still counted.
                "MAX_ADDRESS_CONNECTIONS": "100000",
                "CHAT_RATE_LIMIT": f"{CHAT_LIMIT}/{CHAT_WINDOW} seconds",
                "CHAT_DISPLAY_RATE": "0",  # the peers show all messages, too
                "CHAT_LIMIT": str(CHAT_LIMIT),
                "CHAT_WINDOW": str(CHAT_WINDOW),
            }
            | variables
        )
        return Server(command, core, environment, urls, self._folder)

    def _load(
        self,
        scenario: Scenario,
        servers: list[Server],
        sent_to: Server,
        *,
        port: int | None = None,
        others: Sequence[int] = (),
        prefix: Sequence[str] = (),
        address: str = "127.0.0.1",
        calm: bool = True,
    ) -> Measurement:
        """Return the results of the load client. The first server has the members; CPU times are in their order.

        Args:
            port: The port for clients, by default those of the servers.
            others: Processes whose CPU times follow those of the servers.
            prefix: The prefix of the load client's command.
            address: The address of the servers.
            calm: Whether output of a server on stderr is a failure.
        """
        pids = ",".join(map(str, [*(server.pid for server in servers), *others]))
        options = ["-p", str(port or servers[0].port), "-P", str(port or sent_to.port), "-h", address]
        options += ["-k", pids, "-K", str(self._redis.pid), "-G", str(self._postgres.pid)]
        measurement = self._run([*prefix, *self._client([*options, *scenario.options.split()])])
        # A node without Redis delivers only to its own clients, which is faster: such a measurement does not count.
        for server in servers:
            if calm and server.complaints:
                raise FailedError(f"the server complained: {server.complaints[:300]}")
        return measurement

    def _run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measurement:
        """Return the output of a command, and the number of cores that other processes used during it."""
        busy, ours, begun = _busy(), _ours(), time.monotonic()
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT
            )
        except subprocess.TimeoutExpired:
            raise FailedError("the load client did not come to an end") from None
        if done.returncode:
            raise FailedError(done.stderr.strip()[-300:] or f"the load client ended with {done.returncode}")
        measurement: Measurement = json.loads(done.stdout)
        others = (_busy() - busy) - (_ours() - ours)
        return measurement | {"others": max(0.0, others / (time.monotonic() - begun))}

    def _client(self, options: list[str]) -> list[str]:
        return [*pinned(self._other_core), str(BUILD / "load"), "-T", str(self._tokens), *options]

    @contextmanager
    def _bystander(self, port: int) -> Iterator[None]:
        """Connect a client that joins no room to a node without other clients."""
        options = ["-m", "connect", "-n", "1", "-O", "900", "-H", str(TIMEOUT), "-p", str(port)]
        client = subprocess.Popen(self._client(options), stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            client.kill()
            client.wait()

    def _redis_url(self) -> str:
        """Return the URL of an empty logical database."""
        return self._redis.database_url(next(self._numbers) % self._redis.databases)

    def _settings(self) -> Settings:
        return load(
            app_env=Environment.DEVELOPMENT,
            database_url=self._postgres.url,
            database_timeout="20s",
            redis_url=self._redis.url,
            jwt_secret=self._secret,
            jwt_expiration="2h",
        )


def _busy() -> float:
    """Return the CPU time of all cores so far, in s."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _ours() -> float:
    """Return the CPU time of this process and its descendants so far, in s."""
    total, us = 0.0, psutil.Process()
    for process in (us, *us.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


def _lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def _batches(port: int) -> tuple[float, float]:
    """Return the number of messages that a server has stored so far, and of the database calls for them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        text = response.read().decode()
    counts = [
        sum(float(found) for found in re.findall(rf"(?m)^{name}_count\{{[^}}]*{label}[^}}]*\}} (\S+)$", text))
        for name, label in (
            ("dorami_event_seconds", 'event="chat:send-message"'),
            ("dorami_database_seconds", 'call="chat.send"'),
        )
    ]
    return counts[0], counts[1]


async def _fill(settings: Settings) -> tuple[list[str], str, list[int]]:
    """Create accounts, live streams and products; return the ids of users, of an administrator, and of products."""
    database = Database(settings, Metrics())
    await database.open()
    try:
        users = [
            User(id=uuid4(), email=f"u{n}@example.com", username=f"viewer_{n:05}", password_hash="none")
            for n in range(USERS)
        ]
        # Without an ADMIN a node logs a warning, which would be a failure.
        admin = User(id=uuid4(), email="admin@example.com", username="admin", password_hash="none", role="ADMIN")
        await User.bulk_create([*users, admin])
        for n in range(1, STREAMS + 1):
            status, moment = StreamStatus.LIVE.value, datetime.now(UTC)
            await Stream.create(key=f"s{n}", title="Bench", host_id=users[0].id, status=status, started_at=moment)
            await open_rooms(f"s{n}")
        products = [
            await Product.create(stream_id="s1", name=f"니트 가디건 {n}", price=39_000, stock=100, sort_order=n)
            for n in range(20)
        ]
    finally:
        await database.close()
    return [str(user.id) for user in users], str(admin.id), [product.id for product in products]


async def _empty(settings: Settings) -> None:
    """Delete the messages of the run before, so that all runs have the same tables."""
    database = Database(settings, Metrics())
    await database.open()
    try:
        await database.query("TRUNCATE messages, room_events CASCADE")
        await database.query("UPDATE rooms SET seq = 0")
    finally:
        await database.close()
