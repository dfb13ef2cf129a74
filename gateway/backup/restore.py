"""Verifies and restores backups. Called by `dorami backup verify | restore | after-restore`.

A restore loads into a new database and swaps the names at the end. Until then nothing changes, and the former database
is kept under another name.
"""

import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from gateway.backup import postgres, redis, shelf
from gateway.backup.manifest import DatabaseContent, Manifest
from gateway.backup.seal import unseal
from gateway.commands.progress import Bars
from gateway.data.plans.consent import Plan, ask
from gateway.data.report import Report
from gateway.data.schema.scratch import create_like, on, scratch
from gateway.data.stops import Code, Stop
from gateway.data.target import Target, connect
from gateway.errors import Unavailable
from gateway.metrics import Metrics
from gateway.postgres.migration_files import read
from gateway.redis.client import RedisClient
from gateway.settings import Settings

JOBS = 2  # tables that are loaded or dumped at the same time
_RENEW_PLACES = "UPDATE rooms SET epoch = gen_random_uuid()"
_REVOCATIONS = "SELECT key, value, expires_at FROM revocations WHERE expires_at > now()"
# Of a revocation of all tokens up to a time, the live database has the latest time.
_KEEP_REVOCATIONS = """
INSERT INTO revocations (key, value, expires_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, expires_at = EXCLUDED.expires_at"""


async def verify(report: Report, entry: shelf.Entry, targets: Mapping[str, Target], identity: Path | None) -> None:
    """Check every file, load every database into a scratch database and compare it with the manifest. Raises Stop."""
    manifest = Manifest.read(entry.folder)
    with Bars() as bars:
        async with _opened(entry, manifest, identity, bars) as folder:
            for content in manifest.databases:
                target = _target(content, targets)
                async with scratch(target.url) as db:
                    name = await db.fetchval("SELECT current_database()")
                    loaded = on(target.url, name)
                    done = bars.add(content.name, len(content.rows), "tables")
                    await postgres.load(loaded, content.server, folder / content.name, JOBS, done)
                    await _compare(db, target, content)
                report.line(
                    f"{content.name}: {sum(content.rows.values()):,} rows in {len(content.rows)} tables, as they were"
                )
            if manifest.redis is not None:
                keys = len(redis.load(folder / redis.FILE))
                if keys != manifest.redis:
                    raise Stop(f"Redis: {keys} keys instead of {manifest.redis}")
                report.line(f"redis: {keys:,} keys")
    report.facts["backup"] = entry.id
    report.line(f"{entry.id} is whole.")


async def restore(
    report: Report,
    settings: Settings,
    entry: shelf.Entry,
    targets: Mapping[str, Target],
    *,
    identity: Path | None,
    consent: str | None,
    jobs: int,
) -> None:
    """Restore the databases. Raises Stop, and changes nothing, unless all can be loaded."""
    manifest = Manifest.read(entry.folder)
    chosen = [_target(content, targets) for content in manifest.databases]
    for content, target in zip(manifest.databases, chosen, strict=True):
        _check_version(content, target)
    for target in chosen:
        await postgres.refuse_connections(target)
    async with chosen[0].connect() as db:
        production = await chosen[0].production(db)
    started = time.monotonic()
    await ask(report, lambda: _plan(entry, manifest, chosen), given=consent, production=production)
    names: list[str] = []
    with Bars() as bars:
        async with _opened(entry, manifest, identity, bars) as folder:
            try:
                for content, target in zip(manifest.databases, chosen, strict=True):
                    names.append(await _beside(target))
                    done = bars.add(content.name, len(content.rows), "tables")
                    await _load(target, on(target.url, names[-1]), content, folder, jobs, done)
                suffix = f"_before_{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}".lower()
                for number, target in enumerate(chosen):
                    former = await _swap(target, names[number], suffix)
                    names[number] = ""
                    report.line(f"{target.name}: restored; the former database is {former}")
            finally:
                for name, target in zip(names, chosen, strict=False):
                    if name:
                        await _drop(target, name)
            await _restore_redis(report, settings, folder if manifest.redis is not None else None)
    report.facts |= {"backup": entry.id, "seconds": round(time.monotonic() - started, 1)}
    report.line("Start nodes and job workers again. Drop the former databases when all is well.")


async def after_restore(report: Report, settings: Settings, targets: Sequence[Target]) -> None:
    """Complete a restore by other means: give rooms another epoch, delete the stale keys of Redis."""
    for target in targets:
        await postgres.refuse_connections(target)
    for target in targets:
        async with target.connect() as db:
            await _renew(db)
    await _restore_redis(report, settings, None)
    report.line("Clients with an old place get a fresh snapshot. Start nodes and job workers again.")


# --- steps ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _opened(entry: shelf.Entry, manifest: Manifest, identity: Path | None, bars: Bars) -> AsyncIterator[Path]:
    """Check the files, decrypt them if they are encrypted, and yield the folder to read from."""
    done, checked = bars.add("files", manifest.size, "bytes"), 0

    def count(size: int) -> None:
        nonlocal checked
        checked += size
        done(checked)

    manifest.check(entry.folder, count)
    if not manifest.encrypted:
        yield entry.folder
        return
    with tempfile.TemporaryDirectory(prefix="dorami-") as plain:
        unseal(entry.folder, Path(plain), identity)
        yield Path(plain)


def _target(content: DatabaseContent, targets: Mapping[str, Target]) -> Target:
    if content.name not in targets:
        raise Stop(f"the backup has the database {content.name}, which the settings do not name", code=Code.USAGE)
    return targets[content.name]


def _check_version(content: DatabaseContent, target: Target) -> None:
    known = {f"{migration.name}.py" for migration in read(target.spec.migrations)}
    if content.migration not in known:
        raise Stop(f"{content.name} was at migration {content.migration}, which this version does not know")


async def _plan(entry: shelf.Entry, manifest: Manifest, targets: Sequence[Target]) -> Plan:
    """Return the plan: the numbers of rows now and in the backup, and the tables that would lose rows."""
    lines = []
    title = ""
    for content, target in zip(manifest.databases, targets, strict=True):
        try:
            async with target.connect(read_only=True) as db:
                title = title or await target.title(db)
                there = (await postgres.content(db, target)).rows
        except Stop:  # an empty database: nothing is lost
            title, there = title or target.name, {}
        more = {name: count - content.rows.get(name, 0) for name, count in there.items()}
        lost = [f"{name} {count:,}" for name, count in sorted(more.items()) if count > 0]
        lines.append(f"{content.name}: {sum(there.values()):,} rows are replaced by {sum(content.rows.values()):,}")
        if lost:
            lines.append(f"  more than the backup has now: {', '.join(lost)}")
    moment = manifest.created_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Plan(targets[0].name, f"This puts {title} back to {moment} (backup {entry.id}).", tuple(lines))


async def _beside(target: Target) -> str:
    """Create an empty database on the same server and return its name."""
    name = f"dorami_restore_{secrets.token_hex(4)}"
    async with target.connect() as db:
        try:
            await create_like(db, name)
        except asyncpg.InsufficientPrivilegeError:
            raise Stop(f"the user of {target.spec.variable} may not create databases: grant CREATEDB") from None
    return name


async def _load(
    target: Target, url: str, content: DatabaseContent, folder: Path, jobs: int, done: postgres.Progress
) -> None:
    await postgres.load(url, content.server, folder / content.name, jobs, done)
    async with connect(url) as db:
        await _compare(db, target, content)
        await _renew(db)
        if content.rows.get("revocations") is not None:
            await _keep_revocations(target, db)
        await db.execute("ANALYZE")


async def _compare(db: Any, target: Target, content: DatabaseContent) -> None:
    found = await postgres.content(db, target)
    problems = [
        f"{name}: {found.rows.get(name, 0):,} rows instead of {count:,}"
        for name, count in content.rows.items()
        if found.rows.get(name) != count
    ]
    if found.migration != content.migration:
        problems.append(f"migration {found.migration} instead of {content.migration}")
    if found.rooms != content.rooms:
        problems.append("the places of rooms differ")
    if problems:
        raise Stop(f"the loaded {content.name} differs from the backup:", *problems)


async def _renew(db: Any) -> None:
    """Give every room another epoch, so that places from after the backup are invalid."""
    if await db.fetchval("SELECT to_regclass('rooms')") is not None:
        await db.execute(_RENEW_PLACES)


async def _keep_revocations(target: Target, db: Any) -> None:
    """Copy the revocations since the backup, so that ended sessions stay ended."""
    try:
        async with target.connect() as live:
            if await live.fetchval("SELECT to_regclass('revocations')") is None:
                return
            rows = await live.fetch(_REVOCATIONS)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return  # the former database cannot be read
    if rows:
        await db.execute(_KEEP_REVOCATIONS, *(list(column) for column in zip(*rows, strict=True)))


async def _swap(target: Target, name: str, suffix: str) -> str:
    try:
        return await postgres.swap(target, name, suffix)
    except asyncpg.ObjectInUseError:
        raise Stop(
            f"{target.name} was connected to during the restore: stop all nodes and job workers", code=Code.REFUSED
        ) from None
    except asyncpg.InsufficientPrivilegeError:
        raise Stop(
            f"the user of {target.spec.variable} may not rename {target.name}: it must own it and have CREATEDB"
        ) from None


async def _drop(target: Target, name: str) -> None:
    async with target.connect() as db:
        await db.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def _restore_redis(report: Report, settings: Settings, folder: Path | None) -> None:
    """Delete the stale keys of Redis, and restore the saved ones; without Redis print the command to run later."""
    client = RedisClient(settings, Metrics())
    try:
        forgotten = await redis.forget_stale(client)
        report.line(f"redis: forgot presence, places and caches ({forgotten:,} keys)")
        if folder is None:
            return
        entries = redis.load(folder / redis.FILE)
        revoked = [entry for entry in entries if entry.key.startswith("dorami:revoked:")]
        others = [entry for entry in entries if not entry.key.startswith("dorami:revoked:")]
        now = round(await client.time() * 1000)
        count = await redis.put(client, revoked, now)
        if await redis.holds_sessions(client):
            report.line(f"redis: kept its sessions, which are newer, and took {count:,} revocations")
        else:
            count += await redis.put(client, others, now)
            report.line(f"redis: restored {count:,} keys of sessions, devices and revocations")
    except Unavailable:
        report.ok = False
        report.line("redis: away. Run `dorami backup after-restore` before nodes are started.")
    finally:
        await client.close()
