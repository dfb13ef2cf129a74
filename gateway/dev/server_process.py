"""Starts, stops, pauses and kills a server process of the development stack. The servers are in servers.py."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

LIMIT = 30.0  # s for a server to start or to stop, on a busy machine
LONGEST_SOCKET = 100  # bytes of a Unix socket's path; the kernel takes 107


class StackError(Exception):
    """A server cannot run here; the text explains it to the user."""


def with_parent(command: list[str], number: signal.Signals, *, options: Sequence[str] = ()) -> list[str]:
    """Return a command that gets a signal when this process dies, on Linux; on other systems return it unchanged.

    The kernel watches the thread that starts the command, so start it from the main one. `options` are further options
    of setpriv(1).
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", number.name.removeprefix("SIG"), *options, *command] if setpriv else command


def ending(code: int) -> str:
    """Return an exit code as text, for messages."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


class ServerProcess(ABC):
    """One server process with its data in one folder. After any kind of end it can be started again with its data."""

    title = ""  # for messages
    process_names: tuple[str, ...] = ()

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder.resolve()
        self.durable = durable  # False: faster, but data may be lost when the machine (not the server) crashes
        self.log_file = self.folder.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        self._short_folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def pid(self) -> int:
        """The process id, while it runs."""
        return self._running.pid

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect."""

    def check(self) -> None:
        """Raise StackError if the process has ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            log = f"{self.log_file} ends with:\n{self._log_end()}"
            raise StackError(f"{self.title} ended by itself ({ending(code)}), {log}")

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
        deadline = time.monotonic() + LIMIT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise StackError(f"{self.title} does not start, {self.log_file} ends with:\n{self._log_end()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it; do nothing if it does not run."""
        if self._process is not None:
            self.resume()
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._short_folder is not None:
            self._short_folder.cleanup()
            self._short_folder = None

    def kill(self) -> None:
        """Kill it, like a crash. It can be started again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Suspend it: connections stay open, but it does not answer."""
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

    @abstractmethod
    def _prepare(self) -> None:
        """Prepare the folder."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the command line."""

    @abstractmethod
    def _answers(self) -> bool:
        """Return whether it serves."""

    def _socket_folder(self, name: str) -> Path:
        """Return the folder for a Unix socket of this name: that of the data, or one with a shorter path."""
        if len(os.fsencode(self.folder / name)) <= LONGEST_SOCKET:
            return self.folder
        if self._short_folder is None:
            self._short_folder = tempfile.TemporaryDirectory(prefix="dorami-")
        return Path(self._short_folder.name)

    def _end_orphans(self) -> None:
        """End servers on this folder whose parent was killed; not all systems end them then."""
        orphans = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.name() in self.process_names and process.cwd() == str(self.folder):
                    process.send_signal(signal.SIGINT)
                    orphans.append(process)
        for process in psutil.wait_procs(orphans, LIMIT)[1]:
            process.kill()

    def _log_end(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-10:])


def bundled(package: str, pattern: str) -> Path | None:
    """Return a folder of an installed package without importing it, which would register handlers and warn."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob(pattern), None)
