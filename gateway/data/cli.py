"""`dorami db`: the commands, their options and their help. Each imports what it needs when it is run."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.output import settings_of_environment
from gateway.data.report import Report, stop
from gateway.data.stops import Code

if TYPE_CHECKING:
    from gateway.data.target import Target

db = typer.Typer(
    no_args_is_help=True,
    help="The databases: schemas, migrations, rows. Exit codes: 0 done, 1 failed or different, 2 wrong argument or"
    " setting, 3 refused, 4 locked or too long, 130 interrupted.",
)


def _names(incomplete: str) -> list[str]:
    from gateway.postgres.databases import DATABASES

    return [spec.name for spec in DATABASES if spec.name.startswith(incomplete)]


Name = Annotated[str | None, typer.Option("-d", "--database", help="Which database.", autocompletion=_names)]
All = Annotated[bool, typer.Option("-a", "--all", help="All databases that the settings name.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Scratch = Annotated[
    str | None,
    typer.Option(
        help="URL of a database beside which scratch databases may be made, where the user may not make them."
    ),
]
Consent = Annotated[
    str | None,
    typer.Option(help="The consent that a plan prints, for scripts; not in production.", metavar="NAME@FINGERPRINT"),
]
NoBackup = Annotated[bool, typer.Option("--no-backup", help="Make no backup before.")]
Backups = Annotated[Path, typer.Option(help="The folder of backups.")]
BACKUPS = Path(".dorami/backups")


@db.command("list", epilog="Example: dorami db list --count")
def list_(
    count: Annotated[bool, typer.Option("--count", help="Count all rows, too.")] = False,
    as_json: Json = False,
    scratch_url: Scratch = None,
) -> None:
    """List the databases: where they are, whether they answer, are migrated, have drifted."""
    from gateway.data import overview
    from gateway.data.target import Target
    from gateway.postgres.databases import DATABASES

    settings = settings_of_environment()
    targets = [Target(spec, settings) for spec in DATABASES if spec.configured(settings)]
    unset = [spec for spec in DATABASES if not spec.configured(settings)]
    report = Report("list", as_json=as_json)
    report.run(overview.list_(report, targets, unset, count=count, beside=scratch_url))


@db.command(epilog="Example: dorami db validate -a --lint")
def validate(
    database: Name = None,
    all_: All = False,
    lint: Annotated[bool, typer.Option("--lint", help="Look for statements that lock or fail, too (squawk).")] = False,
    since: Annotated[
        int | None, typer.Option(help="Look in migrations from this number on; unless given, the newest.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check models and migrations without a database: they import, agree, are in order and can be undone."""
    from gateway.data import validate as validation
    from gateway.postgres.databases import DATABASES, find

    specs = list(DATABASES) if all_ else [find(database or "main")]
    report = Report("validate", None if all_ else specs[0].name, as_json=as_json)
    report.run(validation.validate(report, specs, lint=lint, since=since))


@db.command("format", epilog="Example: dorami db format")
def format_() -> None:
    """Format the files of models and migrations."""
    from gateway.data import validate as validation

    report = Report("format")
    report.run(validation.format_(report))


@db.command(epilog='Example: dorami db execute -d main -c "SELECT key, status FROM streams" --format csv')
def execute(
    database: Name = None,
    command: Annotated[str | None, typer.Option("-c", help="The statement.")] = None,
    file: Annotated[Path | None, typer.Option("-f", help="A file with the statement; - is stdin.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Let it write.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many rows.", min=1, max=1_000_000)] = 200,
    timeout: Annotated[str, typer.Option(help="How long it may take.")] = "5s",
    shape: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
    as_json: Json = False,
    consent: Consent = None,
) -> None:
    """Run one SQL statement. It can only read unless --write is given."""
    from gateway.data import execution

    if (command is None) == (file is None):
        stop("say the statement with -c, or a file that has it with -f", code=Code.USAGE)
    if shape not in ("table", "json", "csv"):
        stop(f"--format: there is no format {shape} (there are: table, json, csv)", code=Code.USAGE)
    seconds = _seconds(timeout, "--timeout")
    target = _named(database)
    report = Report("execute", target.name, as_json=as_json)
    statement = command if command is not None else _read(file or Path("-"))
    report.run(
        execution.run(
            report, target, statement, write=write, limit=limit, seconds=seconds, shape=shape, consent=consent
        )
    )


@db.command(epilog="Example: dorami db shell -d main")
def shell(
    database: Name = None,
    write: Annotated[bool, typer.Option("--write", help="Let it write.")] = False,
) -> None:
    """Open psql on a database, which can only read unless --write is given."""
    from gateway.data import execution

    target = _named(database)
    report = Report("shell", target.name)
    report.run(execution.shell(report, target, write=write))


@db.command(epilog="Example: dorami db pull -d main --print")
def pull(
    database: Name = None,
    to_stdout: Annotated[bool, typer.Option("--print", help="Print the models.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write them into this file.")] = None,
    as_json: Json = False,
    consent: Consent = None,
) -> None:
    """Write models from a live schema, and list what models cannot say. Over files of models/ it asks first."""
    from gateway.data import pulling

    if to_stdout == (out is not None):
        stop("say --print, or with --out the file to write", code=Code.USAGE)
    target = _named(database)
    report = Report("pull", target.name, as_json=as_json)
    report.run(pulling.run(report, target, out, consent=consent))


@db.command(epilog="Example: dorami db debug -d main")
def debug(database: Name = None, as_json: Json = False) -> None:
    """Tell what one looks for when a database is slow or stuck: versions, sizes, locks, long transactions."""
    from gateway.data import overview

    target = _target(database)
    report = Report("debug", target.name, as_json=as_json)
    report.run(overview.debug(report, target))


@db.command(epilog="Example: dorami db version --json")
def version(as_json: Json = False) -> None:
    """Tell the versions of the gateway and of what the commands are made of."""
    from gateway.data import overview

    report = Report("version", as_json=as_json)
    report.run(overview.versions(report))


def _seconds(text: str, option: str) -> float:
    from pydantic import TypeAdapter, ValidationError

    from gateway.setting_types import Duration

    try:
        return TypeAdapter(Duration).validate_python(text).total_seconds()
    except ValidationError as error:
        stop(f"{option}: {error.errors()[0]['msg'].removeprefix('Value error, ')}", code=Code.USAGE)


def _read(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        stop(f"{file}: {getattr(error, 'strerror', None) or 'is not UTF-8'}", code=Code.USAGE)


def _target(name: str | None) -> "Target":
    """The database of this name, or the main one. Raises SettingsError unless the settings have it."""
    from gateway.data.target import Target
    from gateway.postgres.databases import MAIN, find

    spec = MAIN if name is None else find(name)
    settings = settings_of_environment()
    spec.url(settings)  # is there one?
    return Target(spec, settings)


def _named(name: str | None) -> "Target":
    """The database of this name, which has to be said."""
    if name is None:
        stop("say which database: -d main", code=Code.USAGE)
    return _target(name)
