"""One server process of the development stack: started, healed, stopped, killed. The servers are in servers.py."""

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

PATIENCE = 30.0  # s that a server may take to start or to stop, on a machine with more to do
LONGEST_SOCKET = 100  # bytes of a Unix socket's path; the kernel takes 107


class StackError(Exception):
    """A server cannot run here; the text says why in words for the person at the terminal."""


def with_parent(command: list[str], number: signal.Signals, *, options: Sequence[str] = ()) -> list[str]:
    """Return the command with a signal at the death of this process, on Linux; elsewhere unchanged.

    The kernel watches the thread that starts the command, so start it from the main one. `options` are others that
    setpriv(1) has.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", number.name.removeprefix("SIG"), *options, *command] if setpriv else command


def ending(code: int) -> str:
    """How a process ended, for people."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


class ServerProcess(ABC):
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
    @abstractmethod
    def url(self) -> str:
        """Where clients connect."""

    def check(self) -> None:
        """Raise StackError if the process has ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            said = f"{self.log_file} ends with:\n{self._log_end()}"
            raise StackError(f"{self.title} ended by itself ({ending(code)}), {said}")

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

    @abstractmethod
    def _prepare(self) -> None:
        """Make the folder ready."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the command line."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it serves by now."""

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


def bundled(package: str, pattern: str) -> Path | None:
    """Return the folder of a wheel without importing its package, which would register handlers and warn."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob(pattern), None)
