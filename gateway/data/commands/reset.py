"""`dorami db migrate -t reset`: deletes all tables and makes them again, after a plan, two codes and a backup."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway.data.commands import overview
from gateway.data.plans import consent as consents
from gateway.data.plans import effects as plans
from gateway.data.plans.consent import Plan
from gateway.data.report import Report
from gateway.data.safeguards import backup, with_locks
from gateway.data.stops import Code, Stop
from gateway.data.target import Target
from gateway.postgres.migrations import Migrations

EMPTY = """
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
GRANT USAGE ON SCHEMA public TO PUBLIC;
"""


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
