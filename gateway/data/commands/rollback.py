"""`dorami db rollback` and `dorami db migrate -t reset`: delete rows, after a plan, two codes and a backup."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from gateway.data.commands import overview
from gateway.data.plans import consent as consents
from gateway.data.plans import effects as plans
from gateway.data.plans.consent import Plan
from gateway.data.programs import dump
from gateway.data.report import Report
from gateway.data.schema import levels
from gateway.data.stops import Code, Stop
from gateway.data.target import Target
from gateway.postgres.migration_files import Migration, MigrationError, Status
from gateway.postgres.migrations import LOCK_PAUSE, LOCK_TIMEOUT, Migrations

EMPTY = """
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
GRANT USAGE ON SCHEMA public TO PUBLIC;
"""


async def rollback(
    report: Report,
    target: Target,
    *,
    times: int | None,
    to: str | None,
    preview: bool,
    has_backup: bool,
    backups: Path | None,
    lock_wait: float,
    consent: str | None,
    beside: str | None,
) -> None:
    """Undo the last `times` migrations, or all after `to`. Raises Stop without consent."""
    migrations = Migrations.of(target.settings, target.spec, lock_wait=lock_wait)
    async with target.connect() as live:
        production = await target.production(live)
        if production and not (has_backup or preview):
            raise Stop("in production say --i-have-a-backup, and have one", code=Code.REFUSED)
        title = await target.title(live)

        async def make() -> Plan:
            status = await migrations.status()
            todo = _to_undo(migrations, status, times, to)
            steps = [await levels.down(migration) for migration in todo]
            if lacking := [step.name for step in steps if not step.sql]:
                raise Stop(*(f"{name} has no downgrade" for name in lacking))
            effects = await plans.effects(target, live, [one.name for one in status.applied], steps, beside=beside)
            report.facts["effects"] = effects.describe()
            undone = [f"undoes {migration.name}" for migration in todo]
            what = plans.amount(len(todo), "migration")
            return Plan(target.name, f"This undoes {what} of {title}{losing(effects)}.", (*undone, *effects.lines()))

        if preview:
            plan = await make()
            report.facts["plan"] = plan.describe()
            for line in (*plan.lines, plan.summary):
                report.line(line)
            return
        await consents.ask(report, make, given=consent, production=production)
        await backup(report, target, live, backups)

    def done(migration: Migration) -> None:
        report.line(f"undone {migration.name}")

    last = _to_undo(migrations, await migrations.status(), times, to)[-1]
    report.facts["undone"] = await migrations.rollback(to=_before(migrations, last), done=done)


def _to_undo(migrations: Migrations, status: Status, times: int | None, to: str | None) -> list[Migration]:
    """Return the migrations to undo, the newest first. Raises Stop for an impossible number and an unknown name."""
    try:
        if times is not None:
            return status.to_undo(count=times)
        name = (to or "").removesuffix(".py")
        number = next((one.number for one in migrations.files if name in (one.name, str(one.number))), None)
        if number is None:
            raise Stop(f"there is no migration {name}", code=Code.USAGE)
        todo = status.to_undo(to=number)
    except MigrationError as error:
        unknown = status.ahead or status.edited
        raise Stop(str(error), code=Code.FAILED if unknown else Code.USAGE) from None
    if not todo:
        raise Stop(f"{name} is the newest: there is nothing to undo", code=Code.USAGE)
    return todo


def _before(migrations: Migrations, undone: Migration) -> int:
    """Return the number of the migration before one."""
    return max(one.number for one in migrations.files if one.number < undone.number)


def losing(effects: plans.Effects) -> str:
    """Return the part of a sentence that names the losses; empty without any."""
    tables = [loss for loss in effects.losses if loss.kind == "table"]
    values = sum(loss.count for loss in effects.losses if loss.kind == "column")
    parts = []
    if tables:
        parts.append(f"{plans.amount(effects.lost_rows, 'row')} in {plans.amount(len(tables), 'table')}")
    if values:
        parts.append(f"{plans.amount(values, 'value')} of columns")
    return f" and deletes {' and '.join(parts)}" if parts else ""


async def reset(
    report: Report,
    target: Target,
    *,
    seed: Callable[[], Awaitable[None]] | None,
    backups: Path | None,
    lock_wait: float,
    consent: str | None,
) -> None:
    """Delete all tables and rows, migrate and seed again. Always raises Stop in production."""
    async with target.connect() as live:
        if await target.production(live):
            raise Stop("production is never reset", code=Code.REFUSED)
        title = await target.title(live)

        async def make() -> Plan:
            counts = await _counts(live)
            what = f"{plans.amount(sum(counts.values()), 'row')} in {plans.amount(len(counts), 'table')}"
            lines = [f"deletes table {name}: {plans.amount(count, 'row')}" for name, count in counts.items()]
            return Plan(target.name, f"This deletes {what} of {title}.", lines)

        plan = await consents.ask(report, make, given=consent)
        await backup(report, target, live, backups)

        async def empty() -> None:
            for name in await overview.tables_of(live):
                await live.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
            if await make() != plan:  # under the locks the rows cannot change
                raise Stop(f"The plan has changed. {consents.NOTHING}", code=Code.REFUSED)
            await live.execute(EMPTY)

        await with_locks(live, empty, lock_wait)
    report.line(plan.summary.replace("This deletes", "deleted"))
    names = await Migrations.of(target.settings, target.spec).apply()
    report.facts["applied"] = names
    report.line(f"applied {plans.amount(len(names), 'migration')}")
    if seed is not None:
        await seed()


async def _counts(live: Any) -> dict[str, int]:
    tables = await overview.tables_of(live)
    return {name: int(await live.fetchval(f"SELECT count(*) FROM {name}")) for name in tables}  # noqa: S608


async def backup(report: Report, target: Target, live: Any, folder: Path | None) -> None:
    """Make a backup in a folder; do nothing for None."""
    if folder is None:
        return
    server = int(await live.fetchval("SELECT current_setting('server_version_num')::int / 10000"))
    file = folder / f"{target.name}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.dump"
    await asyncio.to_thread(dump, target.url, server, file)
    report.facts["backup"] = str(file)
    report.remark(f"backup: {file}")


async def with_locks(live: Any, work: Callable[[], Awaitable[None]], lock_wait: float) -> None:
    """Run `work`, which locks tables, in a transaction; while others hold the locks, retry for `lock_wait` s.

    Raises Stop after that.
    """
    deadline = time.monotonic() + lock_wait
    while True:
        try:
            async with live.transaction():
                await live.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'")
                return await work()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if time.monotonic() >= deadline:
                problem = f"somebody else has held a lock that this needs for {lock_wait:g} s: see `dorami db debug`"
                raise Stop(problem, consents.NOTHING, code=Code.LOCKED) from None
            await asyncio.sleep(random.uniform(*LOCK_PAUSE))  # noqa: S311  nothing to guess
