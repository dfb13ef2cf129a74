"""Where a measurement takes place: the servers it needs, started and filled, and the load client. Used by run.py."""

import asyncio
import itertools
import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from bench.scenarios import Place, Scenario
from bench.servers import ALONE, BUILD, FULL, PAIR, Server, inherited
from gateway.dev.servers import PostgresProcess, RedisProcess, Stack
from gateway.metrics import Metrics
from gateway.postgres import migrations
from gateway.postgres.database import Database
from gateway.security.principal import Role
from gateway.security.tokens.tokens import Tokens
from gateway.services.rooms.log import open_rooms
from gateway.settings import Environment, Settings, load
from models.main.stream import Stream, StreamStatus
from models.main.user import User

USERS = 3000
STREAMS = 64  # keys s1, s2, …
PATIENCE = 120.0  # s that one run of the load client may take
NO_LIMIT = "1000000/10 seconds"

Measurement = dict[str, Any]  # what the load client answers


class FailedError(Exception):
    """A run that gave no number; the text says why."""


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
        os.sched_setaffinity(0, {self._other_core})  # and so is everything that is started from here
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
            users = asyncio.run(_fill(settings))
            tokens = Tokens(settings)
            lines = [tokens.issue_access(user, Role.USER, secrets.token_hex(8)) for user in users]
            self._tokens = self._folder / "tokens"
            self._tokens.write_text("\n".join(lines) + "\n")
            self._open = opening.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def measure(self, scenario: Scenario, server: str) -> Measurement:
        """One run, with servers that were started for it. Raises FailedError or ServerError."""
        place = {Place.ALONE: self._alone, Place.CROSS: self._cross, Place.LONE: self._lone, Place.FULL: self._full}
        return place[scenario.place](scenario, server)

    # --- the places ---------------------------------------------------------------------------------------------------

    def _alone(self, scenario: Scenario, name: str) -> Measurement:
        with self._server(ALONE[name], self._core) as server:
            return self._load(scenario, [server], server)

    def _full(self, scenario: Scenario, name: str) -> Measurement:
        asyncio.run(_empty(self._settings()))
        with self._server(FULL[name], self._core) as server:
            return self._load(scenario, [server], server)

    def _cross(self, scenario: Scenario, name: str) -> Measurement:
        """Have the senders on the first server, and all members on the second, on the measured core."""
        url = self._redis_url()
        with (
            self._server(PAIR[name], self._other_core, url) as senders,
            self._server(PAIR[name], self._core, url) as members,
            self._bystander(senders.port),
        ):
            return self._load(scenario, [members, senders], senders)

    def _lone(self, scenario: Scenario, name: str) -> Measurement:
        """Have everybody on the first server, on the measured core; on the second only a client in another room."""
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
                # One address and few users ask for what a crowd would ask for; the limits are counted all the same.
                "MAX_ADDRESS_CONNECTIONS": "100000",
                "CHAT_RATE_LIMIT": NO_LIMIT,
                "EVENT_RATE_LIMIT": NO_LIMIT,
                "JOIN_RATE_LIMIT": NO_LIMIT,
                "REFUSED_RATE_LIMIT": NO_LIMIT,
                "CHAT_DISPLAY_RATE": "0",  # the peers show everything, too
                "CHAT_LIMIT": NO_LIMIT.partition("/")[0],
            }
            | variables
        )
        return Server(command, core, environment, urls, self._folder)

    def _load(self, scenario: Scenario, servers: list[Server], sent_to: Server) -> Measurement:
        """Return the results of the load client. The first server has the members; CPU times are in their order."""
        pids = ",".join(map(str, [*(server.pid for server in servers), self._redis.pid]))
        ports = ["-p", str(servers[0].port), "-P", str(sent_to.port)]
        options = [*ports, "-k", pids, *scenario.options.split()]
        try:
            done = subprocess.run(self._client(options), capture_output=True, text=True, check=False, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise FailedError("the load client did not come to an end") from None
        if done.returncode:
            raise FailedError(done.stderr.strip()[-300:] or f"the load client ended with {done.returncode}")
        # A node that lost Redis for a moment delivers to its own clients alone, and is fast at that.
        for server in servers:
            if server.complaints:
                raise FailedError(f"the server complained: {server.complaints[:300]}")
        measurement: Measurement = json.loads(done.stdout)
        return measurement

    def _client(self, options: list[str]) -> list[str]:
        return ["taskset", "-c", str(self._other_core), str(BUILD / "load"), "-T", str(self._tokens), *options]

    @contextmanager
    def _bystander(self, port: int) -> Iterator[None]:
        """Connect a client that is in no room, for a node without other clients."""
        options = ["-m", "connect", "-n", "1", "-O", "900", "-H", str(PATIENCE), "-p", str(port)]
        client = subprocess.Popen(self._client(options), stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            client.kill()
            client.wait()

    def _redis_url(self) -> str:
        """Return an empty logical database."""
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


async def _fill(settings: Settings) -> list[str]:
    """Accounts and live streams; the ids of the accounts."""
    database = Database(settings, Metrics())
    await database.open()
    try:
        users = [
            User(id=uuid4(), email=f"u{n}@example.com", username=f"viewer_{n:05}", password_hash="none")
            for n in range(USERS)
        ]
        # A node without an ADMIN warns, and a server that warns is not measured.
        admin = User(id=uuid4(), email="admin@example.com", username="admin", password_hash="none", role="ADMIN")
        await User.bulk_create([*users, admin])
        for n in range(1, STREAMS + 1):
            status, moment = StreamStatus.LIVE.value, datetime.now(UTC)
            await Stream.create(key=f"s{n}", title="Bench", host_id=users[0].id, status=status, started_at=moment)
            await open_rooms(f"s{n}")
    finally:
        await database.close()
    return [str(user.id) for user in users]


async def _empty(settings: Settings) -> None:
    """Forget what was said in the run before: all runs find the same tables."""
    database = Database(settings, Metrics())
    await database.open()
    try:
        await database.query("TRUNCATE messages, room_events CASCADE")
        await database.query("UPDATE rooms SET seq = 0")
    finally:
        await database.close()
