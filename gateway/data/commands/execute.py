"""`dorami db execute` and `dorami db shell`: SQL by hand, read-only unless `--write` is given."""

import os
import signal
import subprocess

from gateway.data import statement as statements
from gateway.data.plans import consent as consents
from gateway.data.plans.consent import Plan
from gateway.data.programs import address, program
from gateway.data.report import Report
from gateway.data.stops import Code, Stop
from gateway.data.target import Target


async def run(
    report: Report,
    target: Target,
    statement: str,
    *,
    write: bool,
    limit: int,
    seconds: float,
    shape: str,
    consent: str | None,
) -> None:
    """Run one statement and print its result."""
    async with target.connect(read_only=not write) as connection:
        if write and await target.production(connection):
            title = await target.title(connection)
            text = " ".join(statement.split())

            async def plan() -> Plan:
                return Plan(target.name, f"This runs on {title}: {text}")

            await consents.ask(report, plan, given=consent, production=True)
        answer = await statements.execute(connection, statement, write=write, limit=limit, seconds=seconds)
    report.facts |= {
        "columns": answer.columns,
        "rows": statements.as_json(answer),
        "status": answer.status,
        "more": answer.more,
    }
    if not answer.columns:
        report.line(answer.status)
    elif shape == "json":
        report.line(statements.json_text(answer))
    elif shape == "csv":
        report.line(statements.as_csv(answer))
    else:
        for line in statements.as_table(answer):
            report.line(line)
        report.remark(f"{len(answer.rows):,} {'row' if len(answer.rows) == 1 else 'rows'}")
    if answer.more:
        report.remark(f"there are more: these are the first {limit:,} (--limit)")


async def shell(report: Report, target: Target, *, write: bool) -> None:
    """Run psql until the user quits."""
    async with target.connect() as connection:
        server = int(await connection.fetchval("SELECT current_setting('server_version_num')::int / 10000"))
        if write and await target.production(connection):
            title = await target.title(connection)

            async def plan() -> Plan:
                return Plan(target.name, f"This opens a shell that can write to {title}.")

            await consents.ask(report, plan, production=True)
    url, environment = address(target.url)
    options = os.environ.get("PGOPTIONS", "") + ("" if write else " -c default_transaction_read_only=on")
    prompt = f"{target.name}{'' if write else ' (read-only)'}=%x "
    command = [program("psql", server), "--no-psqlrc", f"--set=PROMPT1={prompt}", url]
    report.remark(f"psql on {target.shown_url}, {'which can write' if write else 'read-only'}; \\q leaves it")
    # Ctrl-C is for psql, which ends a statement by it.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    done = subprocess.run(command, env={**environment, "PGOPTIONS": options.strip()}, check=False)  # noqa: S603
    signal.signal(signal.SIGINT, before)
    if done.returncode:
        raise Stop(f"psql ended with {done.returncode}", code=Code.FAILED)
