"""Checks models and migrations without a database. Called by `validate` and `format`."""

import asyncio
import importlib
import json
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import migrations
import models
from gateway.data.programs import tool
from gateway.data.report import Report
from gateway.data.schema import draft as drafts
from gateway.data.schema import levels
from gateway.data.stops import Stop
from gateway.postgres.databases import DatabaseSpec
from gateway.postgres.migration_files import Migration, read

# Rules of squawk that do not apply here: the types of columns are deliberate (64-bit counters where needed, lengths
# that are limits of the wire), and the runner sets the time-outs that squawk requires.
EXCLUDED = (
    "prefer-robust-stmts", "prefer-bigint-over-int", "prefer-bigint-over-smallint", "prefer-identity",
    "prefer-text-field", "prefer-timestamp-tz", "require-lock-timeout", "require-statement-timeout",
)  # fmt: skip


async def validate(report: Report, specs: Sequence[DatabaseSpec], *, lint: bool, since: int | None = None) -> None:
    """Print each mistake, or that there is none."""
    problems = []
    for spec in specs:
        found = [problem async for problem in _problems(spec)]
        if lint and not found:
            files = read(spec.migrations)
            chosen = files[-1:] if since is None else [file for file in files if file.number >= since]
            found += [finding for file in chosen for finding in await linted(file)]
        problems += [{"database": spec.name, "problem": problem} for problem in found]
        for problem in found:
            report.line(f"{spec.name}: {problem}")
        if not found:
            report.line(f"{spec.name}: {len(read(spec.migrations))} migrations, all well")
    report.facts["problems"] = problems
    report.ok = not problems


async def _problems(spec: DatabaseSpec) -> AsyncIterator[str]:
    for name in spec.models():
        try:
            importlib.import_module(name)
        except Exception as error:  # any error of a model is a finding
            yield f"{name} cannot be imported: {type(error).__name__}: {error}"
            return
    try:
        migrations = read(spec.migrations)
        steps = [(await levels.up(migration), await levels.down(migration)) for migration in migrations]
    except Exception as error:
        yield f"the migrations cannot be read: {type(error).__name__}: {error}"
        return
    for number, (migration, (up, down)) in enumerate(zip(migrations, steps, strict=True)):
        if migration.number != number:
            yield f"{migration.name} has the number {migration.number}, where {number} follows"
            return
        for problem in _of_steps(up, down, floor=number == 0):
            yield f"{migration.name} {problem}"
    try:
        draft = await asyncio.to_thread(drafts.draft, spec, never=True)
    except Stop as stop:
        yield str(stop)
        return
    if draft is not None:
        yield f"the models differ from the migrations: dorami db migrate -t dev -d {spec.name} -n NAME"
        for line in draft.up.splitlines():
            yield f"    {line.strip()}"


def _of_steps(up: levels.Step, down: levels.Step, *, floor: bool) -> Iterator[str]:
    if not up.sql:
        yield "does nothing"
    if not down.sql and not floor:  # the first is never undone
        yield "cannot be undone: its downgrade is empty"
    if not up.in_transaction and (number := _statements(up.sql)) != 1:
        yield f"runs outside of a transaction and has {number} statements: one is allowed"


def _statements(sql: str) -> int:
    from gateway.data.statement import bare

    return len([part for part in bare(sql).split(";") if part.strip()])


async def linted(migration: Migration) -> list[str]:
    """Return the findings of squawk in a migration, one line each. Raises Stop if it is not installed."""
    up = await levels.up(migration)
    found = await asyncio.to_thread(lint, up.sql, in_transaction=up.in_transaction)
    return [f"{migration.name}: {finding}" for finding in found]


def lint(sql: str, *, in_transaction: bool = True, server: int = 18) -> list[str]:
    """Return the findings of squawk in SQL. Raises Stop if it is not installed."""
    squawk = tool("squawk")
    if squawk is None:
        raise Stop("squawk is not installed: --lint needs requirements/dev.txt")
    command = [squawk, "--reporter", "json", "--pg-version", str(server), *(f"--exclude={rule}" for rule in EXCLUDED)]
    command += ["--assume-in-transaction"] if in_transaction else []
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise Stop(f"squawk failed: {done.stderr.strip()[:200]}") from None
    return [f"line {one['line'] + 1}: {one['rule_name']}: {one['message']}" for one in found]


async def format_(report: Report) -> None:
    """Format the files of models and migrations with ruff."""
    ruff = tool("ruff")
    if ruff is None:
        raise Stop("ruff is not installed: it comes with requirements/dev.txt")
    folders = [str(Path(package.__path__[0])) for package in (models, migrations)]
    done = await asyncio.to_thread(
        subprocess.run, [ruff, "format", *folders], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Stop(done.stderr.strip().partition("\n")[0])
    report.line(done.stdout.strip())
