"""Creates a backup, deletes old ones, and writes metrics of the newest. Called by `dorami backup create`."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.backup import manifest as manifests
from gateway.backup import postgres, redis, shelf
from gateway.backup.manifest import Manifest
from gateway.backup.seal import seal
from gateway.commands.progress import Bars
from gateway.data.report import Report
from gateway.data.stops import Code, Stop
from gateway.data.target import Target
from gateway.metrics import Metrics
from gateway.redis.client import RedisClient
from gateway.settings import Settings

TIMESTAMP_METRIC = "dorami_backup_timestamp_seconds"
BYTES_METRIC = "dorami_backup_bytes"
SPARE = 1.2  # times the size of the newest backup: the free space that a new one needs


async def create(
    report: Report,
    settings: Settings,
    targets: Sequence[Target],
    folder: Path,
    *,
    jobs: int,
    recipients: Sequence[Any],
    with_redis: bool,
) -> None:
    """Make a backup of these databases, and of Redis, in a new folder below `folder`. Raises Stop.

    The main database is first, so that no fact is missing in both its outbox and the analytics database.
    """
    started, began = time.monotonic(), manifests.now()
    _check_space(folder)
    path = folder / shelf.name(began)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.mkdir(mode=0o700)
    except FileExistsError:
        raise Stop(f"{path} is there: another backup was begun in this second") from None
    except OSError as error:
        raise Stop(f"{folder}: {error.strerror}") from None
    try:
        contents, keys = [], None
        with Bars() as bars:
            for target in targets:
                async with postgres.moment(target) as (db, snapshot):
                    content = await postgres.content(db, target)
                    done = bars.add(target.name, len(content.rows), "tables")
                    await postgres.dump(target, snapshot, content.server, path / target.name, jobs, done)
                contents.append(content)
            if with_redis:
                client = RedisClient(settings, Metrics())
                try:
                    keys = await redis.save(client, path / redis.FILE, bars.add("redis", None, "keys"))
                finally:
                    await client.close()
        if recipients:
            seal(path, recipients)
        made = Manifest(
            version=__version__,
            created_at=began,
            seconds=round(time.monotonic() - started, 1),
            databases=tuple(contents),
            redis=keys,
            encrypted=bool(recipients),
            parts=manifests.parts(path),
        )
        made.write(path)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    report.facts |= {"backup": path.name, "folder": str(path), "size": made.size, "seconds": made.seconds}
    rows = sum(sum(content.rows.values()) for content in contents)
    report.line(f"{path.name}: {rows:,} rows of {len(contents)} databases, {made.size / 1e6:,.1f} MB, {made.seconds} s")
    if keys is not None:
        report.line(f"and {keys:,} keys of Redis")


def prune(report: Report, folder: Path, keep: shelf.Keep) -> None:
    """Delete the backups beyond the limits of `keep`."""
    old = shelf.superfluous(shelf.entries(folder), keep)
    for entry in old:
        shelf.remove(entry)
        report.remark(f"deleted {entry.id}")
    report.facts["deleted"] = [entry.id for entry in old]


def write_metrics(file: Path, folder: Path) -> None:
    """Write time and size of the newest backup for node_exporter's textfile collector, atomically."""
    whole = [entry.manifest for entry in shelf.entries(folder) if entry.manifest]
    lines = []
    if whole:
        lines = [
            f"# HELP {TIMESTAMP_METRIC} When the newest backup was begun",
            f"# TYPE {TIMESTAMP_METRIC} gauge",
            f"{TIMESTAMP_METRIC} {whole[0].created_at.timestamp():.0f}",
            f"# HELP {BYTES_METRIC} Size of the newest backup",
            f"# TYPE {BYTES_METRIC} gauge",
            f"{BYTES_METRIC} {whole[0].size}",
        ]
    draft = file.with_name(f".{file.name}")
    try:
        draft.write_text("".join(f"{line}\n" for line in lines))
        draft.chmod(0o644)
        draft.replace(file)
    except OSError as error:
        raise Stop(f"--metrics-file {file}: {error.strerror}", code=Code.USAGE) from None


def _check_space(folder: Path) -> None:
    newest = next((entry.manifest for entry in shelf.entries(folder) if entry.manifest), None)
    if newest is None:
        return
    free = shutil.disk_usage(folder).free
    if free < newest.size * SPARE:
        raise Stop(f"{folder} has {free / 1e6:,.0f} MB left, the last backup took {newest.size / 1e6:,.0f} MB")
