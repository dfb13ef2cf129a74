"""PgBouncer in transaction mode before a development PostgreSQL. Used by the tests of other forms of servers."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway.dev.servers import PostgresProcess
from tests.programs import program
from tests.redis_topologies import free_ports
from tests.timing import allowed

CONFIGURATION = """
[databases]
* = host={sockets} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
logfile = {folder}/pgbouncer.log
pidfile =
"""


@contextmanager
def pgbouncer(postgres: PostgresProcess, folder: Path) -> Iterator[str]:
    """Run it in `folder`; yields the form of its URLs, with `{}` for the name of the database."""
    [port] = free_ports(1)
    owner = postgres.folder.stat()
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(CONFIGURATION.format(sockets=postgres.sockets, port=port, folder=folder))
    if os.geteuid() == 0:
        os.chown(folder, owner.st_uid, owner.st_gid)
        os.chown(configuration, owner.st_uid, owner.st_gid)
    command = postgres.as_owner([program("pgbouncer"), "--quiet", str(configuration)], postgres.folder)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_for_port(process, port)
        yield f"postgresql://postgres@127.0.0.1:{port}/{{}}"
    finally:
        process.kill()
        process.wait(allowed(10))


def wait_for_port(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Return once something listens on the port. Fails if the process has ended before."""
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=allowed(1)).close()
        except OSError:
            continue
        return
    pytest.fail(f"pgbouncer ended with {process.returncode}")


def database_name(url: str) -> str:
    """Return the name of the database in a URL of the tests, ready for another URL."""
    return quote(url.partition("@/")[2].partition("?")[0])
