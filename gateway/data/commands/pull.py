"""`dorami db pull`: prints or writes models of a live schema. Overwrites files only with consent."""

import subprocess
from pathlib import Path

import models
from gateway.data.plans import consent as consents
from gateway.data.plans.consent import Plan
from gateway.data.report import Report
from gateway.data.schema.models_from_schema import Pulled, pull
from gateway.data.stops import Code, Stop
from gateway.data.target import Target


async def run(report: Report, target: Target, out: Path | None, *, consent: str | None) -> None:
    """Print the models of a database, or write them to `out`."""
    async with target.connect(read_only=True) as connection:
        pulled = await pull(connection, target.spec.label)
        title = await target.title(connection)
    report.facts |= {"models": pulled.models, "omitted": pulled.omitted}
    if out is None:
        report.facts["text"] = pulled.text
        report.line(pulled.text.rstrip("\n"))
    else:
        if out.exists() or _of_models(out):
            await _consent(report, target, out, title, pulled, consent)
        try:
            out.write_text(pulled.text, encoding="utf-8")
        except OSError as error:
            raise Stop(f"{out}: {error.strerror}", code=Code.USAGE) from None
        report.facts["file"] = str(out)
        report.line(f"wrote {pulled.models} models to {out}")
    for thing in pulled.omitted:
        report.remark(f"models cannot express: {thing}")


async def _consent(report: Report, target: Target, out: Path, title: str, pulled: Pulled, given: str | None) -> None:
    if _of_models(out):
        _refuse_changes(out)
    lines = len(out.read_text(encoding="utf-8").splitlines()) if out.exists() else 0

    async def plan() -> Plan:
        there = f", over the {lines:,} lines that are there" if lines else ""
        return Plan(target.name, f"This writes {pulled.models} models of {title} to {out}{there}.")

    await consents.ask(report, plan, given=given)


def _of_models(out: Path) -> bool:
    return Path(models.__path__[0]).resolve() in out.resolve().parents


def _refuse_changes(out: Path) -> None:
    """Raise Stop unless all files of the folder are committed, so that overwritten ones can be restored."""
    command = ["git", "-C", str(out.resolve().parent), "status", "--porcelain", "--", "."]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise Stop("there is no git to restore the models from", code=Code.REFUSED) from None
    if done.returncode or done.stdout.strip():
        raise Stop(f"{out.parent} has changes that are not committed: commit them first", code=Code.REFUSED)
