"""HAProxy with TLS, or a slow network, between the load client and a server. Used by stage.py."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.servers import BUILD, ServerError, free_port, pinned

DELAY = 40  # ms in each direction
LOSS = 1  # percent of the packets of each direction
START = 5.0  # s for a proxy to be ready

# Like deploy/haproxy.cfg, with one node. The second proxy is on the clients' side: it encrypts for the load client,
# which has no TLS. Each connection makes a full handshake, like that of a new visitor.
DECRYPTING = """
global
    nbthread 1
defaults
    mode http
    timeout connect 2s
    timeout client 90s
    timeout server 90s
    timeout http-request 10s
    timeout http-keep-alive 60s
    timeout tunnel 1h
frontend public
    bind 127.0.0.1:{public} ssl crt {certificate} alpn http/1.1
    http-request set-header X-Forwarded-Proto https
    option forwardfor
    default_backend node
backend node
    server node 127.0.0.1:{node}
"""
ENCRYPTING = """
global
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen clients
    bind 127.0.0.1:{clients}
    server public 127.0.0.1:{public} ssl verify none no-ssl-reuse
"""


class Front(NamedTuple):
    """The port for clients, and the process whose CPU is measured."""

    port: int
    pid: int


class Far(NamedTuple):
    """The two ends of a slow network: the prefix of commands that run there, and the address of servers."""

    server: list[str]
    client: list[str]
    address: str


@contextmanager
def tls(node: int, core: int, folder: Path) -> Iterator[Front]:
    """Run HAProxy with TLS in front of the server on this port. Raises ServerError."""
    if shutil.which("haproxy") is None or shutil.which("openssl") is None:
        raise ServerError("haproxy and openssl are needed: install them")
    certificate, public, clients = _certificate(folder), free_port(), free_port()
    decrypting = DECRYPTING.format(public=public, certificate=certificate, node=node)
    encrypting = ENCRYPTING.format(public=public, clients=clients)
    with (
        _haproxy(decrypting, core, folder / "public.cfg", public) as pid,
        _haproxy(encrypting, core, folder / "clients.cfg", clients),
    ):
        yield Front(clients, pid)


@contextmanager
def far(core: int) -> Iterator[Far]:
    """Create two network namespaces, joined by a link with DELAY and LOSS. Raises ServerError if not allowed."""
    command = [*pinned(core), str(BUILD / "far"), str(DELAY), str(LOSS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        if process.stdout is None or process.stderr is None:
            raise ServerError("no pipes")
        line = process.stdout.readline()
        if not line.startswith("ready"):
            raise ServerError(f"no network namespace can be created here: {process.stderr.read().strip()}")
        servers, clients = f"/proc/{process.pid}/fd/{line.split()[1]}", f"/proc/{process.pid}/ns/net"
        yield Far(["nsenter", f"--net={servers}", "--"], ["nsenter", f"--net={clients}", "--"], "10.77.0.1")
    finally:
        process.kill()
        process.communicate()


def _certificate(folder: Path) -> Path:
    path = folder / "shop.pem"
    if not path.exists():
        key = folder / "shop.key"
        options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=shop.example"]
        options += ["-days", "2", "-keyout", str(key), "-out", str(path)]
        done = subprocess.run(["openssl", "req", "-x509", *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerError(done.stderr)
        path.write_text(path.read_text() + key.read_text())
    return path


@contextmanager
def _haproxy(configuration: str, core: int, file: Path, port: int) -> Iterator[int]:
    file.write_text(configuration)
    log = file.with_suffix(".log")
    with log.open("w") as errors:
        command = [*pinned(core), "haproxy", "-db", "-q", "-f", str(file)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
    try:
        deadline = time.monotonic() + START
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServerError(f"haproxy does not start: {log.read_text()[-300:]}")
            time.sleep(0.02)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    """Return whether a process listens on a port, without connecting: the server would count the connection."""
    lines = Path("/proc/net/tcp").read_text().splitlines()
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines[1:])
