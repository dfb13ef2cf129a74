"""`dorami db migrate`: applies pending migrations, drafts new ones, corrects the records of applied ones."""

import asyncio
import re
import sys
from collections.abc import Mapping, Sequence

import typer

from gateway.data.commands import push
from gateway.data.commands.validate import lint
from gateway.data.plans import effects as plans
from gateway.data.programs import tool
from gateway.data.report import Report
from gateway.data.schema import catalog, levels
from gateway.data.schema import draft as drafts
from gateway.data.schema import drift as drifts
from gateway.data.schema.draft import Draft
from gateway.data.stops import Code, Stop
from gateway.data.target import Target
from gateway.postgres.migration_files import Migration, Status, read
from gateway.postgres.migrations import Migrations

NAME = re.compile(r"[a-z0-9_]{1,40}")
COUNTDOWN = 10  # s in which a deployment to production can be stopped
SHOWN = 40  # lines of a plan


async def deploy(
    report: Report, target: Target, *, wait: float, lock_wait: float, dry_run: bool, beside: str | None
) -> None:
    """Apply pending migrations. Raises Stop if the database is ahead of the code or a migration was edited."""
    migrations = Migrations.of(target.settings, target.spec, wait=wait, lock_wait=lock_wait)
    status = await migrations.status()
    _refuse_unknown(status)
    todo = status.pending
    report.facts["pending"] = [migration.name for migration in todo]
    report.facts["applied"] = []
    if todo:
        await _show_plan(report, target, status, todo, beside=beside)
    if dry_run:
        for migration in todo:
            report.line(f"pending {migration.name}")
        if not todo:
            report.line("up to date")
        return
    if todo and sys.stderr.isatty() and await _is_production(target):
        for left in range(COUNTDOWN, 0, -1):
            typer.echo(f"\rproduction: begins in {left} s, Ctrl-C stops it ", nl=False, err=True)
            await asyncio.sleep(1)
        typer.echo(err=True)

    def done(migration: Migration) -> None:
        report.facts["applied"].append(migration.name)
        report.line(f"applied {migration.name}")

    await migrations.apply(done=done)
    report.line("up to date")


def _refuse_unknown(status: Status) -> None:
    problems = [f"{name} is applied and this version does not have it: deploy a newer one" for name in status.ahead]
    problems += [f"{name} was changed after it was applied: restore its file" for name in status.edited]
    if problems:
        raise Stop(*problems)


async def _show_plan(
    report: Report, target: Target, status: Status, todo: Sequence[Migration], *, beside: str | None
) -> None:
    """Print the effects of the migrations, unless the database is empty or no plan can be made."""
    if not status.applied:
        report.remark(f"{target.name} is empty: {plans.amount(len(todo), 'migration')}")
        return
    try:
        async with target.connect(read_only=True) as live:
            applied = [one.name for one in status.applied]
            effects = await plans.effects(target, live, applied, await levels.ups(todo), beside=beside)
    except Stop as stop:
        report.remark(f"there is no plan: {stop}")
        return
    report.facts["plan"] = effects.describe()
    lines = list(effects.lines())
    for line in lines[:SHOWN]:
        report.remark(f"  {line}")
    if len(lines) > SHOWN:
        report.remark(f"  and {len(lines) - SHOWN:,} more (--json has all)")


async def _is_production(target: Target) -> bool:
    async with target.connect(read_only=True) as connection:
        return await target.production(connection)


async def dev(
    report: Report,
    target: Target,
    name: str,
    *,
    create_only: bool,
    renames: Mapping[str, str],
    never: bool,
    accept_loss: bool,
    beside: str | None,
) -> None:
    """Write the migration for changed models and apply it. Raises Stop in production and after drift."""
    if not NAME.fullmatch(name):
        raise Stop("--name: lower case letters, digits and _, at most 40", code=Code.USAGE)
    if await _is_production(target):
        raise Stop("migrations are made in development: deploy them here with -t deploy", code=Code.REFUSED)
    migrations = Migrations.of(target.settings, target.spec)
    status = await migrations.status()
    _refuse_unknown(status)
    applied = [one.name for one in status.applied]
    async with target.connect() as live:
        if applied and (found := await drifts.drift(target, live, applied, beside=beside)):
            for difference in found:
                report.line(str(difference))
            raise Stop("the database has drifted: undo it by hand, or write a migration that does it (-t diff)")
        await push.undo(report, target, live, accept_loss=accept_loss, beside=beside)
    draft = await asyncio.to_thread(drafts.draft, target.spec, name, renames=renames, never=never)
    if draft is None:
        report.line("the models have not changed")
    else:
        await _write(report, target, draft, beside=beside)
    if create_only:
        return
    report.facts["applied"] = await Migrations.of(target.settings, target.spec).apply()
    for applied_name in report.facts["applied"]:
        report.line(f"applied {applied_name}")


async def _write(report: Report, target: Target, draft: Draft, *, beside: str | None) -> None:
    """Print a draft and write its file. Raises Stop, with the file written, if its downgrade does not undo it."""
    report.facts |= {"migration": draft.name, "up": draft.up, "down": draft.down, "warnings": draft.warnings}
    report.line(draft.up)
    findings = await asyncio.to_thread(lint, draft.up) if tool("squawk") else []
    for warning in (*draft.warnings, *findings):
        report.remark(f"warning: {warning}")
    file = target.spec.migrations / f"{draft.name}.py"
    file.write_text(draft.text, encoding="utf-8")
    report.line(f"wrote {file}")
    earlier = [migration.name for migration in read(target.spec.migrations)[:-1]]
    if not earlier:  # the first migration is never undone
        return
    async with levels.scratch_at(target, earlier, beside=beside) as connection:
        before = await catalog.read(connection)
        await levels.take(connection, [draft.step()])
        await levels.take(connection, [draft.step(down=True)] if draft.down else [])
        left = await catalog.differences(before, await catalog.read(connection), connection)
    if left:
        for difference in left:
            report.remark(f"its downgrade leaves: {difference}")
        raise Stop("not applied: complete the downgrade in the file by hand, then dorami db migrate")


async def diff(
    report: Report,
    target: Target,
    start: int | None,
    end: int | None,
    *,
    renames: Mapping[str, str],
    never: bool,
) -> None:
    """Print the SQL of migrations after `start` up to `end` (downgrades if `end` is lower), or of changed models."""
    files = {migration.number: migration for migration in read(target.spec.migrations)}
    if start is None and end is None:
        draft = await asyncio.to_thread(drafts.draft, target.spec, renames=renames, never=never)
        text = "" if draft is None else draft.up
        report.facts["sql"] = text
        report.line(text or "-- the models have not changed")
        return
    last = max(files, default=-1)
    start, end = -1 if start is None else start, last if end is None else end
    for option, number in (("--from", start), ("--to", end)):
        if not -1 <= number <= last:
            raise Stop(f"{option}: there is no migration {number} (there are 0 to {last})", code=Code.USAGE)
    if end >= start:
        steps = [await levels.up(files[number]) for number in range(start + 1, end + 1)]
    else:
        steps = [await levels.down(files[number]) for number in range(start, end, -1)]
    text = "\n".join(f"-- {step.name}\n{step.sql}\n" for step in steps)
    report.facts["sql"] = text
    report.line(text.rstrip("\n"))


async def resolve(
    report: Report, target: Target, *, applied: str | None, rolled_back: str | None, beside: str | None
) -> None:
    """Record a migration and all before it as applied, or one as not applied, if the schema of the database agrees."""
    migrations = Migrations.of(target.settings, target.spec)
    status = await migrations.status()
    name = (applied or rolled_back or "").removesuffix(".py")
    known = {migration.name: migration for migration in migrations.files}
    if name not in known:
        raise Stop(f"there is no migration {name}", code=Code.USAGE)
    have = [one.name for one in status.applied]
    if applied is not None:
        todo = [one.name for one in migrations.files if one.number <= known[name].number and one.name not in have]
        level = [*have, *todo]
    else:
        todo = [name] if name in have else []
        level = [one for one in have if one != name]
    if not todo:
        raise Stop(f"{name} is recorded as {'applied' if applied is not None else 'not applied'} already")
    async with target.connect(read_only=True) as live:
        found = await drifts.drift(target, live, level, beside=beside)
    if found:
        for difference in found:
            report.line(str(difference))
        raise Stop(f"the database is not as it would be with {name} {'applied' if applied is not None else 'undone'}")
    for one in todo:
        await migrations.note(one, applied=applied is not None)
        report.line(f"recorded {one} as {'applied' if applied is not None else 'not applied'}")
    report.facts["noted"] = todo
