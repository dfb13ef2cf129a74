"""`dorami db list`, `generate`, `pull`, `validate`, `format`, `debug`, `version`: describe databases and files."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.output import fail, settings_of_environment
from gateway.data.cli.app import db
from gateway.data.cli.options import All, Consent, Json, Name, Scratch, each, named_target, target_of, targets_of
from gateway.data.report import Report
from gateway.data.stops import Code


@db.command("list", epilog="Example: dorami db list --count")
def list_(
    count: Annotated[bool, typer.Option("--count", help="Also count all rows.")] = False,
    as_json: Json = False,
    scratch_url: Scratch = None,
) -> None:
    """List the databases: URL, whether they answer, applied and pending migrations, drift."""
    from gateway.data.commands import overview
    from gateway.data.target import Target
    from gateway.postgres.databases import DATABASES

    settings = settings_of_environment()
    targets = [Target(spec, settings) for spec in DATABASES if spec.configured(settings)]
    unset = [spec for spec in DATABASES if not spec.configured(settings)]
    report = Report("list", as_json=as_json)
    report.run(overview.list_(report, targets, unset, count=count, beside=scratch_url))


@db.command(epilog="Example: dorami db generate -a")
def generate(
    database: Name = None,
    all_: All = False,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("docs/schema"),
    scratch_url: Scratch = None,
    as_json: Json = False,
) -> None:
    """Write the schema that the migrations create, as SQL and as an entity diagram (Mermaid).

    The models are the client in Python: there is nothing else to generate.
    """
    from gateway.data.commands import generate as generation

    each(
        Report("generate", as_json=as_json),
        targets_of(database, all_=all_),
        lambda report, target: generation.generate(report, target, out, beside=scratch_url),
    )


@db.command(epilog="Example: dorami db pull -d main --print")
def pull(
    database: Name = None,
    to_stdout: Annotated[bool, typer.Option("--print", help="Print the models.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the models into this file.")] = None,
    as_json: Json = False,
    consent: Consent = None,
) -> None:
    """Write models from a live schema and list what they cannot express. Asks before it overwrites models/."""
    from gateway.data.commands import pull

    if to_stdout == (out is not None):
        fail("say --print, or with --out the file to write", code=Code.USAGE)
    target = named_target(database)
    report = Report("pull", target.name, as_json=as_json)
    report.run(pull.run(report, target, out, consent=consent))


@db.command(epilog="Example: dorami db validate -a --lint")
def validate(
    database: Name = None,
    all_: All = False,
    lint: Annotated[bool, typer.Option("--lint", help="Also lint the SQL of migrations with squawk.")] = False,
    since: Annotated[
        int | None, typer.Option(help="Lint migrations from this number on; by default only the newest.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check without a database that models and migrations import, agree, are in order and can be undone."""
    from gateway.data.commands import validate as validation
    from gateway.postgres.databases import DATABASES, find

    specs = list(DATABASES) if all_ else [find(database or "main")]
    report = Report("validate", None if all_ else specs[0].name, as_json=as_json)
    report.run(validation.validate(report, specs, lint=lint, since=since))


@db.command("format", epilog="Example: dorami db format")
def format_() -> None:
    """Format the files of models and migrations."""
    from gateway.data.commands import validate as validation

    report = Report("format")
    report.run(validation.format_(report))


@db.command(epilog="Example: dorami db debug -d main")
def debug(database: Name = None, as_json: Json = False) -> None:
    """Report version, sizes, connections, locks and long transactions of a database that is slow or stuck."""
    from gateway.data.commands import overview

    target = target_of(database)
    report = Report("debug", target.name, as_json=as_json)
    report.run(overview.debug(report, target))


@db.command(epilog="Example: dorami db version --json")
def version(as_json: Json = False) -> None:
    """Report the versions of the gateway and of the libraries that the commands use."""
    from gateway.data.commands import overview

    report = Report("version", as_json=as_json)
    report.run(overview.versions(report))
