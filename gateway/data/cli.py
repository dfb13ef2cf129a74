"""`dorami db`: the commands, their options and their help. Each imports what it needs when it is run."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.output import settings_of_environment
from gateway.data.report import Report, stop
from gateway.data.stops import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

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
Renames = Annotated[list[str] | None, typer.Option(help="This column has a new name.", metavar="OLD:NEW")]
NoRename = Annotated[bool, typer.Option("--no-rename", help="No column has a new name: one went, another came.")]
LockWait = Annotated[str, typer.Option(help="How long to try for locks that others hold.")]


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


class Kind(StrEnum):
    """What `migrate` does."""

    DEPLOY = "deploy"
    DEV = "dev"
    STATUS = "status"
    DIFF = "diff"
    RESET = "reset"
    RESOLVE = "resolve"


@db.command(epilog="Example: dorami db migrate -t dev -d main -n order_notes. More: docs/db-commands.md")
def migrate(
    kind: Annotated[
        Kind,
        typer.Option(
            "-t",
            "--type",
            help="deploy: apply what is missing. dev: draft a migration and apply it. status: what is missing or wrong."
            " diff: SQL without doing anything. reset: delete everything and migrate anew. resolve: put notes right.",
        ),
    ] = Kind.DEPLOY,
    database: Name = None,
    all_: All = False,
    name: Annotated[str | None, typer.Option("-n", "--name", help="dev: what the migration is called.")] = None,
    create_only: Annotated[bool, typer.Option("--create-only", help="dev: write the file, do not apply it.")] = False,
    rename: Renames = None,
    no_rename: NoRename = False,
    accept_data_loss: Annotated[
        bool, typer.Option("--accept-data-loss", help="dev: undo a push that has rows.")
    ] = False,
    wait: Annotated[str, typer.Option(help="deploy: how long to wait for another process's migrations.")] = "5m",
    lock_wait: LockWait = "60s",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="deploy: show the plan, apply nothing.")] = False,
    drift: Annotated[bool, typer.Option("--drift", help="status: name each object that was changed by hand.")] = False,
    start: Annotated[int | None, typer.Option("--from", help="diff: after this migration's number.")] = None,
    end: Annotated[
        int | None, typer.Option("--to", help="diff: up to this number; back if it is the lower one.")
    ] = None,
    applied: Annotated[str | None, typer.Option(help="resolve: it is applied, and all before it.")] = None,
    rolled_back: Annotated[str | None, typer.Option(help="resolve: it is not applied.")] = None,
    no_seed: Annotated[bool, typer.Option("--no-seed", help="reset: leave the tables empty.")] = False,
    no_backup: NoBackup = False,
    backups: Backups = BACKUPS,
    consent: Consent = None,
    scratch_url: Scratch = None,
    as_json: Json = False,
) -> None:
    """Bring the schema of a database and its migrations together; unless -t says otherwise, apply what is missing."""
    from gateway.data import migrating, overview, seeding, undoing

    waits = _seconds(wait, "--wait"), _seconds(lock_wait, "--lock-wait")
    renames = _renames(rename)
    folder = None if no_backup else backups
    if kind is Kind.DEPLOY:
        targets = _targets(database, all_=all_ or database is None)
        _each(
            Report("migrate", as_json=as_json),
            targets,
            lambda report, target: migrating.deploy(
                report, target, wait=waits[0], lock_wait=waits[1], dry_run=dry_run, beside=scratch_url
            ),
        )
        return
    if kind is Kind.STATUS:
        _each(
            Report("status", as_json=as_json),
            _targets(database, all_=all_),
            lambda report, target: overview.status(report, target, drift=drift, beside=scratch_url),
        )
        return
    if all_:
        stop(f"-t {kind} is for one database: say -d", code=Code.USAGE)
    target = _target(database) if kind is Kind.DIFF else _named(database)
    report = Report(kind, target.name, as_json=as_json)
    if kind is Kind.DEV:
        if name is None:
            stop("say what the migration is called: -n NAME", code=Code.USAGE)
        report.run(
            migrating.dev(
                report,
                target,
                name,
                create_only=create_only,
                renames=renames,
                never=no_rename,
                accept_loss=accept_data_loss,
                beside=scratch_url,
            )
        )
    elif kind is Kind.DIFF:
        report.run(migrating.diff(report, target, start, end, renames=renames, never=no_rename))
    elif kind is Kind.RESOLVE:
        if (applied is None) == (rolled_back is None):
            stop("say --applied NAME or --rolled-back NAME", code=Code.USAGE)
        report.run(migrating.resolve(report, target, applied=applied, rolled_back=rolled_back, beside=scratch_url))
    else:
        seed = None if no_seed else seeding.sower(report, target)
        report.run(undoing.reset(report, target, seed=seed, backups=folder, lock_wait=waits[1], consent=consent))


@db.command(epilog="Example: dorami db status --drift")
def status(
    database: Name = None,
    all_: All = False,
    drift: Annotated[bool, typer.Option("--drift", help="Name each object that was changed by hand.")] = False,
    scratch_url: Scratch = None,
    as_json: Json = False,
) -> None:
    """Tell what is missing, ahead, edited or invalid: `migrate -t status`."""
    from gateway.data import overview

    _each(
        Report("status", as_json=as_json),
        _targets(database, all_=all_),
        lambda report, target: overview.status(report, target, drift=drift, beside=scratch_url),
    )


@db.command(epilog="Example: dorami db rollback -d main -t 1 --preview")
def rollback(
    database: Name = None,
    times: Annotated[int | None, typer.Option("-t", "--times", help="Undo the last so many.")] = None,
    to: Annotated[str | None, typer.Option(help="Undo all after this one, by number or name.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show the plan, undo nothing.")] = False,
    has_backup: Annotated[
        bool, typer.Option("--i-have-a-backup", help="In production: say that there is one, of your own.")
    ] = False,
    lock_wait: LockWait = "60s",
    no_backup: NoBackup = False,
    backups: Backups = BACKUPS,
    consent: Consent = None,
    scratch_url: Scratch = None,
    as_json: Json = False,
) -> None:
    """Undo migrations, the newest first, after a plan, two codes and a backup."""
    from gateway.data import undoing

    if (times is None) == (to is None):
        stop("say how many with -t, or with --to the one that stays the newest", code=Code.USAGE)
    target = _named(database)
    report = Report("rollback", target.name, as_json=as_json)
    report.run(
        undoing.rollback(
            report,
            target,
            times=times,
            to=to,
            preview=preview,
            has_backup=has_backup,
            backups=None if no_backup else backups,
            lock_wait=_seconds(lock_wait, "--lock-wait"),
            consent=consent,
            beside=scratch_url,
        )
    )


@db.command(epilog="Example: dorami db push -d main")
def push(
    database: Name = None,
    accept_data_loss: Annotated[bool, typer.Option("--accept-data-loss", help="Rows may be lost.")] = False,
    rename: Renames = None,
    no_rename: NoRename = False,
    lock_wait: LockWait = "60s",
    no_backup: NoBackup = False,
    backups: Backups = BACKUPS,
    consent: Consent = None,
    scratch_url: Scratch = None,
    as_json: Json = False,
) -> None:
    """Apply what the models ask for without a migration, while trying things out. `migrate -t dev` undoes it first."""
    from gateway.data import pushing

    target = _named(database)
    report = Report("push", target.name, as_json=as_json)
    report.run(
        pushing.push(
            report,
            target,
            accept_loss=accept_data_loss,
            renames=_renames(rename),
            never=no_rename,
            backups=None if no_backup else backups,
            lock_wait=_seconds(lock_wait, "--lock-wait"),
            consent=consent,
            beside=scratch_url,
        )
    )


@db.command(epilog="Example: dorami db seed -d main")
def seed(
    database: Name = None,
    all_: All = False,
    check: Annotated[bool, typer.Option("--check", help="Tell what is missing, make nothing.")] = False,
    size: Annotated[
        int, typer.Option(help="So many messages besides, in thirty shows of the last days, and orders.", min=0)
    ] = 0,
    as_json: Json = False,
) -> None:
    """Make what is missing of the accounts, streams and products to develop with."""
    from gateway.data import seeding

    _each(
        Report("seed", as_json=as_json),
        _targets(database, all_=all_),
        lambda report, target: seeding.seed(report, target, check=check, size=size),
    )


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


@db.command(epilog="Example: dorami db generate -a")
def generate(
    database: Name = None,
    all_: All = False,
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("docs/schema"),
    scratch_url: Scratch = None,
    as_json: Json = False,
) -> None:
    """Write what the migrations make: the schema as SQL, and tables with their relations as a diagram (Mermaid).

    The models are the client in Python: there is nothing else to generate.
    """
    from gateway.data import generate as generation

    _each(
        Report("generate", as_json=as_json),
        _targets(database, all_=all_),
        lambda report, target: generation.generate(report, target, out, beside=scratch_url),
    )


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


@db.command(epilog="Example: dorami db studio -d main")
def studio(
    database: Name = None,
    port: Annotated[int, typer.Option(help="The port on this machine; 0 takes a free one.", min=0, max=65535)] = 0,
) -> None:
    """Browse the rows of all databases, or of one, in the browser. It can only read; secrets are not shown."""
    from gateway.data.studio.server import serve

    targets = _targets(database, all_=database is None)
    report = Report("studio")
    report.run(serve(report, targets, port))


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


def _targets(name: str | None, *, all_: bool) -> "list[Target]":
    """Return the database of this name, all that the settings have, or the main one."""
    from gateway.data.target import Target
    from gateway.postgres.databases import configured

    if name is not None and all_:
        stop("say -d or -a, not both", code=Code.USAGE)
    if not all_:
        return [_target(name)]
    settings = settings_of_environment()
    return [Target(spec, settings) for spec in configured(settings)]


def _each(
    report: Report, targets: "list[Target]", work: "Callable[[Report, Target], Coroutine[Any, Any, None]]"
) -> None:
    """Do the same for some databases, one after the other; the first that fails ends it."""
    if len(targets) == 1:
        report.facts["database"] = targets[0].name
        report.run(work(report, targets[0]))
        return

    async def all_of_them() -> None:
        report.facts["databases"] = []
        for target in targets:
            part = Report(report.facts["command"], target.name, as_json=report.as_json)
            part.prefix = f"{target.name}: "
            report.facts["databases"].append(part.facts)
            try:
                await work(part, target)
            finally:
                part.facts["ok"] = part.ok
                report.ok = report.ok and part.ok

    report.run(all_of_them())


def _renames(said: list[str] | None) -> dict[str, str]:
    """Old names and new ones, as they were said."""
    pairs = [text.split(":") for text in said or []]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        stop("--rename: write it like old_name:new_name", code=Code.USAGE)
    return {pair[0]: pair[1] for pair in pairs}


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
    """Return the database of this name, or the main one. Raises SettingsError unless the settings have it."""
    from gateway.data.target import Target
    from gateway.postgres.databases import MAIN, find

    spec = MAIN if name is None else find(name)
    settings = settings_of_environment()
    spec.url(settings)  # is there one?
    return Target(spec, settings)


def _named(name: str | None) -> "Target":
    """Return the database of this name, which has to be said."""
    if name is None:
        stop("say which database: -d main", code=Code.USAGE)
    return _target(name)
