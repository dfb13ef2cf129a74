"""What tests act with: settings, fresh databases, gateway nodes as real processes. Called by conftest.py and tests."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import asyncpg
import psutil

from gateway.dev.server_process import ServerProcess, with_parent
from gateway.dev.servers import PostgresProcess, RedisProcess, ffmpeg
from gateway.settings import DEVELOPMENT_SECRET, Environment, Settings
from tests.timing import scaled, time_limit

START = 20.0  # s that a node may take to be ready, on a busy machine
STOP = 20.0  # s that a node may take to stop

# Names from the developer's own environment that a node needs; nothing else of it may reach a test.
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR")


@contextmanager
def server_folder() -> Iterator[Path]:
    """Return a temporary folder with a short path, which the user that PostgreSQL runs as can reach.

    Unlike pytest's own folders: those of root are closed to others.
    """
    with tempfile.TemporaryDirectory(prefix="dorami-test-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def make_settings(**overrides: Any) -> Settings:
    """Return valid settings for development; the servers they name exist only if the overrides say so."""
    defaults: dict[str, Any] = {
        "app_env": Environment.DEVELOPMENT,
        "host": "127.0.0.1",
        "port": 0,
        "database_url": "postgresql://nobody@127.0.0.1:1/nothing",
        "redis_url": "redis://127.0.0.1:1/0",
        "jwt_secret": DEVELOPMENT_SECRET,
        "currency": "USD",
        "locale": "en",
        "database_timeout": timedelta(seconds=scaled(1.8)),
        "redis_timeout": timedelta(seconds=scaled(1)),
        "drain_delay": timedelta(0),
        "drain_spread": timedelta(0),
    }
    return Settings(**(defaults | overrides))


@contextmanager
def frozen(server: ServerProcess) -> Iterator[None]:
    """Freeze a server for as long as the block runs: connections stay open and nothing answers."""
    server.pause()
    try:
        yield
    finally:
        server.resume()


@contextmanager
def frozen_postgres(server: PostgresProcess) -> Iterator[None]:
    """Freeze PostgreSQL with the processes of its connections: it accepts connections and answers none."""
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # its connection has ended
            process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


class Databases:
    """Makes databases on the session's PostgreSQL: each a copy of one that is migrated once."""

    TEMPLATE = "template_migrated"

    def __init__(self, postgres: PostgresProcess) -> None:
        self._postgres = postgres
        self._numbers = itertools.count(1)
        self._migrated = False

    async def empty(self) -> str:
        """Return the URL of a fresh database without tables."""
        name = f"test_{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {name}")
        return self._postgres.database_url(name)

    async def migrated(self) -> str:
        """Return the URL of a fresh database with today's tables and no rows."""
        if not self._migrated:
            from gateway.postgres import migrations

            await self._execute(f"CREATE DATABASE {self.TEMPLATE}")
            await migrations.migrate(make_settings(database_url=self._postgres.database_url(self.TEMPLATE)))
            self._migrated = True
        name = f"test_{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {self.TEMPLATE}")
        return self._postgres.database_url(name)

    async def drop(self, url: str) -> None:
        """Delete a database in spite of open connections."""
        name = url.partition("?")[0].rpartition("/")[2]
        await self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._postgres.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class Keyspaces:
    """Hands out the logical databases of the session's Redis: each is empty and used by nobody else.

    Channels are shared by all of them: concurrent tests receive each other's broadcasts.
    """

    def __init__(self, redis: RedisProcess) -> None:
        self._redis = redis
        self._numbers = itertools.count(1)

    def fresh(self) -> str:
        """Return the URL of a logical database that nobody has used."""
        return self._redis.database_url(next(self._numbers))


class Node:
    """One gateway process, `dorami serve` as in production: start, stop, kill, logs. A context manager, too.

    `environment` must name DATABASE_URL and REDIS_URL; other variables replace those of a development node on a free
    port. Logs go to a file in `folder`.
    """

    command = "serve"
    program: tuple[str, ...] = (sys.executable, "-m", "gateway")

    def __init__(self, folder: Path, **environment: str) -> None:
        self._environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
            "APP_ENV": "development",
            "CURRENCY": "USD",
            "LOCALE": "en",
            "HOST": "127.0.0.1",
            "PORT": "0",
            "JWT_SECRET": DEVELOPMENT_SECRET,
            # A test asks from one address what a crowd would ask from many; those about limits set their own.
            "HTTP_RATE_LIMIT": "100000/minute",
            "DATABASE_TIMEOUT": f"{scaled(1800):.0f}ms",
            "REDIS_TIMEOUT": f"{scaled(1000):.0f}ms",
            # No balancer has to notice that a node goes; tests of the drain set their own.
            "DRAIN_DELAY": "0s",
            "DRAIN_SPREAD": "0s",
            **environment,
        }
        self._log_file = folder / f"node-{id(self):x}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where it serves, like `http://127.0.0.1:40123`; another after each start unless PORT is given."""
        assert self._url, "the node has not been started"
        return self._url

    def keep_port(self) -> None:
        """Serve at today's port after every start to come."""
        self._environment["PORT"] = self.url.rpartition(":")[2]

    @property
    def pid(self) -> int:
        """The process id, while it runs."""
        return self._running.pid

    @property
    def logs(self) -> str:
        """What all its runs have written to stderr so far."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        assert self._process is None, "the node runs already"
        command = with_parent([*self.program, self.command], signal.SIGKILL)
        with self._log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        line = ""
        try:
            async with time_limit(START):
                line = (await self._process.stdout.readline()).decode().strip()
        finally:
            if not line.startswith("ready"):
                await self.kill()
        assert line.startswith("ready"), f"the process did not start:\n{self.logs}"
        self._url = line.removeprefix("ready ")

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and wait for that; its exit code."""
        process = self._running
        with suppress(ProcessLookupError):  # it has ended by itself: its exit code tells
            process.send_signal(number)
        try:
            async with time_limit(STOP):
                return await self._ended()
        except TimeoutError:
            await self.kill()
            raise AssertionError(f"the node did not stop:\n{self.logs}") from None

    async def kill(self) -> None:
        """End it as a crash does."""
        with suppress(ProcessLookupError):
            self._running.kill()
        try:
            async with time_limit(STOP):
                await self._ended()
        except TimeoutError:  # a process that it left behind holds its stdout
            os.killpg(self.pid, signal.SIGKILL)
            await self._ended()

    def pause(self) -> None:
        """Freeze it: its connections stay open and nothing answers."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._running.send_signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether it was started and neither stopped nor killed through this object."""
        return self._process is not None

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "the node does not run"
        return self._process

    async def _ended(self) -> int:
        process = self._running
        assert process.stdout is not None
        await process.stdout.read()  # to its end, so that the pipe is closed
        code = await process.wait()
        self._process = None
        return code

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self.running:
            self.resume()
            await self.stop()


class Worker(Node):
    """One worker process, `dorami worker`, on the recordings in `media`. It has no `url`."""

    command = "worker"

    def __init__(self, folder: Path, media: Path, **environment: str) -> None:
        super().__init__(folder, **({"MEDIA_FOLDER": str(media), "FFMPEG": str(ffmpeg())} | environment))


def record(path: Path, seconds: float, size: str = "320x240") -> Path:
    """Make a recording: a test picture and a tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = ["-f", "lavfi", "-i", f"testsrc=size={size}:rate=25", "-f", "lavfi", "-i", "sine=frequency=440"]
    coding = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]
    command = [str(ffmpeg()), "-v", "error", "-nostdin", "-y", *picture, "-t", str(seconds), *coding, str(path)]
    subprocess.run(command, check=True)
    return path


def slow_ffmpeg(folder: Path) -> str:
    """Return an ffmpeg that reads no more than four seconds in one, however fast the machine is."""
    program = folder / "ffmpeg"
    program.write_text(f'#!/bin/sh\nexec {ffmpeg()} -readrate 4 "$@"\n')
    program.chmod(0o755)
    return str(program)
