"""`dorami db rollback`: undoes migrations, after a plan, two codes and a backup."""

from pathlib import Path

from gateway.data.plans import consent as consents
from gateway.data.plans import effects as plans
from gateway.data.plans.consent import Plan
from gateway.data.report import Report
from gateway.data.safeguards import backup
from gateway.data.schema import levels
from gateway.data.stops import Code, Stop
from gateway.data.target import Target
from gateway.postgres.migration_files import Migration, MigrationError, Status
from gateway.postgres.migrations import Migrations


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
            return Plan(
                target.name, f"This undoes {what} of {title}{effects.loss_phrase}.", (*undone, *effects.lines())
            )

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
