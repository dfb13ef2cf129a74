"""Dumps, loads, compares and renames databases with PostgreSQL's own programs. Called by create and restore."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from gateway.backup.manifest import DatabaseContent
from gateway.data.programs import address, program
from gateway.data.stops import Code, Stop
from gateway.data.target import Target, connect

# The tables whose rows are counted: all ordinary ones.
_TABLES = """
SELECT quote_ident(relname) FROM pg_class
WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = current_schema()::regnamespace ORDER BY relname"""
_PLACES = "SELECT name, epoch, seq FROM rooms ORDER BY name"
_LAST_MIGRATION = "SELECT version FROM aerich WHERE app = $1 ORDER BY id DESC LIMIT 1"
# Connections of other programs: a running node would continue with cached values of the former database.
_OTHERS = """
SELECT coalesce(nullif(application_name, ''), 'a program') || ' from ' || coalesce(host(client_addr), 'this machine')
FROM pg_stat_activity
WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY 1"""
_TABLE_DONE = re.compile(r"(?:dumping contents of|processing data for) table")

Progress = Callable[[int], None]


@asynccontextmanager
async def moment(target: Target) -> AsyncIterator[tuple[Any, str]]:
    """Open a snapshot of a database; yield a connection that reads it, and its name for pg_dump."""
    async with target.connect() as db, db.transaction(isolation="repeatable_read", readonly=True):
        yield db, await db.fetchval("SELECT pg_export_snapshot()")


async def content(db: Any, target: Target) -> DatabaseContent:
    """Return the content of a database in a connection's snapshot. Raises Stop if it was never migrated."""
    if await db.fetchval("SELECT to_regclass('aerich')") is None:
        raise Stop(f"{target.name} was never migrated: there is nothing to back up")
    tables = [name for (name,) in await db.fetch(_TABLES)]
    rows = {name: await db.fetchval(f"SELECT count(*) FROM {name}") for name in tables}  # noqa: S608  quoted
    return DatabaseContent(
        name=target.name,
        server=db.get_server_version().major,
        migration=await db.fetchval(_LAST_MIGRATION, target.spec.label) or "",
        rows=rows,
        rooms=await places(db) if "rooms" in rows else "",
    )


async def places(db: Any) -> str:
    """Return a digest of the epoch and the newest place of every room's log."""
    found = hashlib.sha256()
    for name, epoch, seq in await db.fetch(_PLACES):
        found.update(f"{name} {UUID(str(epoch))} {seq}\n".encode())
    return found.hexdigest()


async def dump(target: Target, snapshot: str, server: int, folder: Path, jobs: int, done: Progress) -> None:
    """Dump a snapshot into a folder, and call `done` with the number of finished tables. Raises Stop."""
    shown, environment = address(target.url)
    command = [
        *(program("pg_dump", server), "--format=directory", f"--jobs={jobs}", "--verbose", f"--file={folder}"),
        *(f"--snapshot={snapshot}", "--no-owner", "--no-privileges", f"--dbname={shown}"),
    ]
    problem = f"{target.name} could not be dumped"
    try:
        await _run([*command, "--compress=zstd"], environment, problem, done)
    except Stop as stop:  # pg_dump fails with this before it writes anything
        if "does not support compression" not in str(stop):
            raise
        await _run([*command, "--compress=gzip"], environment, problem, done)


async def load(url: str, server: int, folder: Path, jobs: int, done: Progress) -> None:
    """Load a dump into an empty database, and call `done` with the number of finished tables. Raises Stop."""
    shown, environment = address(url)
    command = [
        *(program("pg_restore", server), f"--jobs={jobs}", "--exit-on-error", "--no-owner", "--no-privileges"),
        *("--verbose", f"--dbname={shown}", str(folder)),
    ]
    await _run(command, environment, "the dump could not be loaded", done)


async def _run(command: list[str], environment: Any, problem: str, done: Progress) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**environment, "LC_ALL": "C"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    tables, errors = 0, [""]
    try:
        async for line in cast("asyncio.StreamReader", process.stderr):
            text = line.decode(errors="replace").rstrip()
            if _TABLE_DONE.search(text):
                tables += 1
                done(tables)
            elif "error:" in text:
                errors.append(text.partition("error:")[2].strip())
        if await process.wait():
            raise Stop(f"{problem}: {errors[-1]}" if errors[-1] else problem)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def refuse_connections(target: Target) -> None:
    """Raise Stop if other programs are connected to a database."""
    async with target.connect() as db:
        name = await db.fetchval("SELECT current_database()")
        others = [client for (client,) in await db.fetch(_OTHERS, name)]
    if others:
        shown = [*dict.fromkeys(others)][:5]
        raise Stop(
            f"{len(others)} connections to {target.name} are open: stop all nodes and job workers first",
            *(f"  {client}" for client in shown),
            code=Code.REFUSED,
        )


async def swap(target: Target, loaded: str, suffix: str) -> str:
    """Rename a database, and give its name to the one that was loaded beside it; return the new name of the former."""
    from gateway.data.schema.scratch import on

    async with target.connect() as db:
        name = await db.fetchval("SELECT current_database()")
        marked = await db.fetchval("SELECT current_setting('dorami.environment', true)")
        aside = f"{name[: 63 - len(suffix)]}{suffix}"
        quoted = {each: await db.fetchval("SELECT quote_ident($1)", each) for each in (name, loaded, aside)}
    elsewhere = "postgres" if name != "postgres" else "template1"
    async with connect(on(target.url, elsewhere)) as db:
        await db.execute(f"ALTER DATABASE {quoted[name]} RENAME TO {quoted[aside]}")
        try:
            await db.execute(f"ALTER DATABASE {quoted[loaded]} RENAME TO {quoted[name]}")
        except BaseException:
            await db.execute(f"ALTER DATABASE {quoted[aside]} RENAME TO {quoted[name]}")
            raise
        if marked:
            await db.execute(f"ALTER DATABASE {quoted[name]} SET dorami.environment = 'production'")
    return aside
