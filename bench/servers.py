"""The measured servers, the gateway and its peers, each on a core of its own. Used by stage.py."""

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from gateway.dev.server_process import with_parent

HERE = Path(__file__).parent
BUILD = HERE / "build"
PEERS = HERE / "peers"
START = 60.0  # s for a server to be ready, on a busy machine

GATEWAY = "gateway"
AT_ONCE = "gateway-at-once"  # without the window of large rooms
WRITERS = "writers"  # the chat services of many nodes, in one process

CLUSTER = "cluster"  # presence and subscriptions of many nodes, in one process

# Their names in tables.
TITLES = {
    GATEWAY: "gateway",
    "node-ws": "Node, ws",
    "node-uws": "Node, uWebSockets.js",
    "python": "python-socketio",
    "c-limit": "C limit",
    "node-classic": "Node, Redis adapter",
    "node-sharded": "Node, sharded adapter",
    "node-full": "Node, same work",
    "node-group": "Node, same work, group commit",
    AT_ONCE: "gateway, no window",
    WRITERS: "gateway, 40 writers",
    CLUSTER: "gateway, 200 nodes",
}

_NODE = ["node", str(PEERS / "node_sio.js"), "--port", "{port}"]
_ENGINE = [sys.executable, "-m", "bench.gateway_engine", "--port", "{port}"]

# One server without a database; two of them that share a Redis; one with all services.
ALONE = {
    GATEWAY: _ENGINE,
    AT_ONCE: _ENGINE,
    "node-ws": _NODE,
    "node-uws": [*_NODE, "--engine", "uws"],
    "python": [sys.executable, str(PEERS / "py_stock.py"), "--port", "{port}"],
    "c-limit": [str(BUILD / "c_limit"), "--port", "{port}"],
}
PAIR = {
    GATEWAY: [*_ENGINE, "--redis"],
    "node-classic": [*_NODE, "--redis", "{redis}"],
    "node-sharded": [*_NODE, "--redis", "{redis}", "--adapter", "sharded"],
}
_NODE_FULL = ["node", str(PEERS / "node_full.js"), "--port", "{port}", "--redis", "{redis}", "--postgres", "{postgres}"]
FULL = {
    GATEWAY: [sys.executable, "-m", "bench.gateway_full"],
    "node-full": _NODE_FULL,
    "node-group": [*_NODE_FULL, "--group"],
}
BATCHING = (GATEWAY, "node-group")  # servers that tell how many messages they store in a statement
SETTINGS = {AT_ONCE: {"ROOM_WINDOW": "0"}}


class ServerError(Exception):
    """A server did not start; the text says why."""


class Server:
    """One server process, pinned to a core: a context manager.

    `urls` replaces the fields `{redis}` and `{postgres}` in the command; `{port}` is a free port.
    """

    def __init__(
        self, command: list[str], core: int, environment: Mapping[str, str], urls: Mapping[str, str], folder: Path
    ) -> None:
        self.port = free_port()
        self._command = [*pinned(core), *(part.format(port=self.port, **urls) for part in command)]
        self._environment = {**environment, "PORT": str(self.port), "NODE_ENV": "production"}
        self._log = folder / f"server-{self.port}.log"
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The process id, while it runs."""
        if self._process is None:
            raise ServerError("it does not run")
        return self._process.pid

    @property
    def complaints(self) -> str:
        """Its output on stderr: errors, lost clients, outages of Redis."""
        return self._log.read_text(errors="replace").strip()

    def __enter__(self) -> Self:
        with self._log.open("w") as log:
            self._process = process = subprocess.Popen(
                self._command,
                cwd=HERE.parent,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = ""
        if process.stdout is not None and select.select([process.stdout], [], [], START)[0]:
            line = process.stdout.readline()
        if not line.startswith("ready"):
            self.__exit__()
            raise ServerError(f"{' '.join(self._command)} does not start: {self.complaints[-500:]}")
        time.sleep(0.2)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self._process.kill()  # a drain would take seconds
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None


def build() -> None:
    """Compile the C programs that are missing or older than their source. Raises ServerError."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    BUILD.mkdir(exist_ok=True)
    for source in (HERE / "load.c", HERE / "far.c", PEERS / "c_limit.c"):
        program = BUILD / source.stem
        if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
            continue
        if compiler is None:
            raise ServerError("a C compiler is needed: install gcc")
        done = subprocess.run(
            [compiler, "-O2", "-Wall", "-o", str(program), str(source)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ServerError(done.stderr)


def pinned(core: int) -> list[str]:
    """Return the prefix of a command that runs on one core and ends with this process, even if that is killed."""
    return with_parent(["taskset", "-c", str(core)], signal.SIGKILL)


def inherited() -> dict[str, str]:
    """Return the variables of our environment that a server needs."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
