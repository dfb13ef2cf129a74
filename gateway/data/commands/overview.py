"""The state of the databases: reachable, migrated, drifted. Called by `list`, `status`, `debug` and `version`."""

import asyncio
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import asyncpg

from gateway import __version__
from gateway.data.report import NOT_THERE, Report
from gateway.data.schema import drift as drifts
from gateway.data.target import Target
from gateway.postgres.migrations import Migrations
from gateway.server_problems import explain

if TYPE_CHECKING:
    from gateway.data.schema.catalog import Difference
    from gateway.postgres.migration_files import Status

PROBE = 1.0  # s for a database to answer in a list
SESSIONS = """
    SELECT pid, usename::text AS user, application_name AS application, state, wait_event_type AS waits_for,
        extract(epoch FROM now() - xact_start)::float8 AS transaction_seconds, pg_blocking_pids(pid) AS blocked_by,
        left(regexp_replace(query, '\\s+', ' ', 'g'), 120) AS query
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    ORDER BY xact_start NULLS LAST
"""
# By the statistics of the last VACUUM: pg_total_relation_size waits for locks on a table.
SIZES = """
    SELECT c.oid::regclass::text AS name, greatest(c.reltuples, 0)::bigint AS rows,
        current_setting('block_size')::bigint * (
            SELECT coalesce(sum(p.relpages), 0) FROM pg_class p WHERE p.oid IN (c.oid, c.reltoastrelid)
                OR p.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = c.oid)
        )::bigint AS bytes
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    ORDER BY bytes DESC, name LIMIT 10
"""
LONG = 60.0  # s above which a transaction is listed


async def status_of(target: Target) -> "Status":
    """Return the applied migrations of a database, and those of the code."""
    return await Migrations.of(target.settings, target.spec).status()


async def list_(
    report: Report, targets: Sequence[Target], unset: Sequence[Any], *, count: bool, beside: str | None
) -> None:
    """Print a line for each database, including unavailable ones."""
    found = await asyncio.gather(*(_about(target, count=count, beside=beside) for target in targets))
    found = [
        *found,
        *(
            {"name": spec.name, "label": spec.label, "url": None, "state": f"{spec.variable} is not set"}
            for spec in unset
        ),
    ]
    report.facts["databases"] = found
    head = ("NAME", "LABEL", "URL", "STATE", "APPLIED", "PENDING", "DRIFT") + (("ROWS",) if count else ())
    rows = [head]
    for one in found:
        texts = [one["name"], one["label"], one["url"] or "", one["state"]]
        texts += [_text(one.get(name)) for name in ("applied", "pending", "drift", *(("rows",) if count else ()))]
        rows.append(tuple(texts))
    report.table(rows)


async def _about(target: Target, *, count: bool, beside: str | None) -> dict[str, Any]:
    about: dict[str, Any] = {"name": target.name, "label": target.spec.label, "url": target.shown_url}
    try:
        async with asyncio.timeout(PROBE), target.connect(read_only=True) as connection:
            await connection.fetchval("SELECT 1")
    except (*NOT_THERE, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        return about | {"state": f"away: {explain(error)}"}
    async with target.connect(read_only=True) as connection:
        about["state"] = "up, production" if await target.production(connection) else "up"
        here = await status_of(target)
        applied = [one.name for one in here.applied]
        about |= {"applied": len(here.applied), "pending": len(here.pending) + len(here.ahead) + len(here.edited)}
        if count:
            about["rows"] = await rows_of(connection)
        try:
            about["drift"] = len(await drifts.drift(target, connection, applied, beside=beside))
        except Exception as error:
            about["drift"] = None
            about["driftUnknown"] = str(error)
    return about


async def rows_of(connection: Any) -> int:
    """Return the number of rows of all tables."""
    tables = await tables_of(connection)
    return sum([int(await connection.fetchval(f"SELECT count(*) FROM {name}")) for name in tables])  # noqa: S608


async def tables_of(connection: Any) -> list[str]:
    """Return the tables of a database, except those that record migrations."""
    rows = await connection.fetch(
        "SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
        " AND c.relkind = 'r' AND c.relname NOT IN ('aerich', 'dorami_migrations', 'dorami_pushed') ORDER BY 1"
    )
    return [row["name"] for row in rows]


def _text(value: Any) -> str:
    return "?" if value is None else "none" if value == 0 else f"{value:,}"


async def status(report: Report, target: Target, *, drift: bool, beside: str | None) -> None:
    """Print pending, unknown and edited migrations, and with `drift` each object that differs from them."""
    found: list[Difference] = []
    here = await status_of(target)
    applied, pending = [one.name for one in here.applied], [migration.name for migration in here.pending]
    if drift:
        async with target.connect(read_only=True) as connection:
            found = await drifts.drift(target, connection, applied, beside=beside)
    report.facts |= {"applied": len(applied), "pending": pending, "ahead": here.ahead, "edited": here.edited}
    report.facts |= {"invalidIndexes": here.invalid} | ({"drift": [one.describe() for one in found]} if drift else {})
    for name in pending:
        report.line(f"pending {name}")
    for name in here.ahead:
        report.line(f"ahead {name}: this code does not have it")
    for name in here.edited:
        report.line(f"edited {name}: changed since it was applied")
    for name in here.invalid:
        report.line(f"invalid index {name}: DROP INDEX CONCURRENTLY {name}, then apply its migration again")
    for difference in found:
        report.line(str(difference))
    report.ok = not (pending or here.ahead or here.edited or here.invalid or found)
    if report.ok:
        report.line("up to date" + (", no drift" if drift else ""))


async def debug(report: Report, target: Target) -> None:
    """Print version, sizes, connections, locks and long transactions."""
    async with target.connect(read_only=True, seconds=10) as connection:
        server = await connection.fetchval("SELECT version()")
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
        most = await connection.fetchval("SELECT current_setting('max_connections')::int")
        everybody = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        sessions = [dict(row) for row in await connection.fetch(SESSIONS)]
        sizes = [dict(row) for row in await connection.fetch(SIZES)]
        production = await target.production(connection)
    waiting = [one for one in sessions if one["blocked_by"]]
    old = [one for one in sessions if (one["transaction_seconds"] or 0) > LONG]
    report.facts |= {
        "url": target.shown_url, "server": server, "bytes": size, "production": production, "connections": everybody,
        "maxConnections": most, "sessions": sessions, "waiting": waiting, "tables": sizes,
    }  # fmt: skip
    report.line(f"url          {target.shown_url}")
    report.line(f"server       {server}")
    report.line(f"environment  {'production' if production else target.settings.app_env.value}")
    report.line(f"size         {_bytes(size)}")
    report.line(f"connections  {everybody} of {most}; {len(sessions)} to this database")
    for one in waiting:
        report.line(f"waiting      {one['pid']} for {', '.join(map(str, one['blocked_by']))}: {one['query']}")
    for one in old:
        report.line(f"transaction  {one['pid']} {one['state']} for {one['transaction_seconds']:.0f} s: {one['query']}")
    for one in sizes:
        report.line(f"table        {one['name']}: about {_bytes(one['bytes'])}, {one['rows']:,} rows")


async def versions(report: Report) -> None:
    """Print the versions of the gateway and its libraries."""
    found = {"dorami": __version__, "python": platform.python_version()}
    found |= {name: version(name) for name in ("tortoise-orm", "aerich", "asyncpg")}
    report.facts["versions"] = found
    for name, number in found.items():
        report.line(f"{name:<13} {number}")


def _bytes(number: int) -> str:
    size = float(number)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
