"""`dorami db push`: applies changed models without a migration file, for experiments. `migrate -t dev` undoes it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.data.plans import consent as consents
from gateway.data.plans import effects as plans
from gateway.data.plans.consent import Plan
from gateway.data.report import Report
from gateway.data.safeguards import backup, with_locks
from gateway.data.schema import draft as drafts
from gateway.data.schema import levels
from gateway.data.stops import Code, Stop
from gateway.data.target import Target
from gateway.postgres.migrations import LOCK_WAIT, Migrations

NOTES = """
CREATE TABLE IF NOT EXISTS dorami_pushed (
    id serial PRIMARY KEY, label varchar(64) NOT NULL, name varchar(255) NOT NULL,
    up text NOT NULL, down text NOT NULL, text text NOT NULL, pushed_at timestamptz NOT NULL DEFAULT now()
)"""
NOTE = "INSERT INTO dorami_pushed (label, name, up, down, text) VALUES ($1, $2, $3, $4, $5)"


async def push(
    report: Report,
    target: Target,
    *,
    accept_loss: bool,
    renames: Mapping[str, str],
    never: bool,
    backups: Path | None,
    lock_wait: float,
    consent: str | None,
    beside: str | None,
) -> None:
    """Apply changed models. Raises Stop in production, and if rows would be lost without `accept_loss`."""
    async with target.connect() as live:
        if await target.production(live):
            raise Stop("nothing is pushed to production: deploy migrations", code=Code.REFUSED)
        status = await Migrations.of(target.settings, target.spec).status()
        if status.pending:
            raise Stop("migrations are missing: dorami db migrate")
        title = await target.title(live)
        pushed = await levels.pushed(live, target.spec.label)
        draft = await asyncio.to_thread(
            drafts.draft,
            target.spec,
            f"push_{len(pushed) + 1}",
            renames=renames,
            never=never,
            after=[(one.name, one.text) for one in pushed],
        )
        if draft is None:
            report.line("the models have not changed")
            return
        report.facts |= {"up": draft.up, "warnings": draft.warnings}
        report.line(draft.up)
        for warning in draft.warnings:
            report.remark(f"warning: {warning}")
        applied = [one.name for one in status.applied]

        async def make() -> Plan:
            effects = await plans.effects(target, live, applied, [draft.step()], beside=beside)
            if effects.losing and not accept_loss:
                raise Stop(*map(str, effects.losses), "say --accept-data-loss if that may be lost")
            return Plan(
                target.name, f"This changes {title} without a migration{effects.loss_phrase}.", [*effects.lines()]
            )

        await consents.ask(report, make, given=consent)
        await backup(report, target, live, backups)

        async def apply() -> None:
            await live.execute(NOTES)
            await live.execute(draft.up)
            await live.execute(NOTE, target.spec.label, draft.name, draft.up, draft.down, draft.text)

        await with_locks(live, apply, lock_wait)
    report.line(f"pushed: dorami db migrate -t dev -d {target.name} -n NAME makes a migration of it")


async def undo(report: Report, target: Target, live: Any, *, accept_loss: bool, beside: str | None) -> None:
    """Undo all pushes, the newest first. Raises Stop if one cannot be undone or rows would be lost."""
    pushed = await levels.pushed(live, target.spec.label)
    if not pushed:
        return
    steps = [levels.Step(one.name, one.down) for one in reversed(pushed)]
    if lacking := [step.name for step in steps if not step.sql]:
        raise Stop(f"pushed drafts cannot be undone ({', '.join(lacking)}): dorami db migrate -t reset")
    applied = [one.name for one in (await Migrations.of(target.settings, target.spec).status()).applied]
    effects = await plans.effects(target, live, applied, steps, beside=beside)
    if effects.losing and not accept_loss:
        lines = map(str, effects.losses)
        raise Stop(*lines, "pushed drafts are undone before they become a migration: say --accept-data-loss")

    async def work() -> None:
        for step in steps:
            await live.execute(step.sql)
        await live.execute("DELETE FROM dorami_pushed WHERE label = $1", target.spec.label)
        if not await live.fetchval("SELECT EXISTS (SELECT FROM dorami_pushed)"):
            await live.execute("DROP TABLE dorami_pushed")

    await with_locks(live, work, LOCK_WAIT)
    report.remark(f"undid {plans.amount(len(pushed), 'pushed draft')}")
