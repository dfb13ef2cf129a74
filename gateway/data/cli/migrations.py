"""`dorami db migrate`, `status`, `rollback` and `push`: change the schema of a database, or report its state."""

from enum import StrEnum
from typing import Annotated

import typer

from gateway.commands.output import fail
from gateway.data.cli.app import db
from gateway.data.cli.options import (
    BACKUPS,
    All,
    Backups,
    Consent,
    Json,
    LockWait,
    Name,
    NoBackup,
    NoRename,
    Renames,
    Scratch,
    each,
    named_target,
    parse_renames,
    parse_seconds,
    target_of,
    targets_of,
)
from gateway.data.report import Report
from gateway.data.stops import Code


class Kind(StrEnum):
    """The types of `migrate`."""

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
            help="deploy: apply pending migrations. dev: draft a migration from the models and apply it. status: report"
            " what is pending or wrong. diff: print SQL, change nothing. reset: delete all tables and migrate again."
            " resolve: correct which migrations are recorded as applied.",
        ),
    ] = Kind.DEPLOY,
    database: Name = None,
    all_: All = False,
    name: Annotated[str | None, typer.Option("-n", "--name", help="dev: name of the migration.")] = None,
    create_only: Annotated[bool, typer.Option("--create-only", help="dev: write the file, do not apply it.")] = False,
    rename: Renames = None,
    no_rename: NoRename = False,
    accept_data_loss: Annotated[
        bool, typer.Option("--accept-data-loss", help="dev: allow undoing a push to delete rows.")
    ] = False,
    wait: Annotated[str, typer.Option(help="deploy: how long to wait for another process that migrates.")] = "5m",
    lock_wait: LockWait = "60s",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="deploy: show the plan, apply nothing.")] = False,
    drift: Annotated[bool, typer.Option("--drift", help="status: list each object that was changed by hand.")] = False,
    start: Annotated[int | None, typer.Option("--from", help="diff: start after this migration (its number).")] = None,
    end: Annotated[
        int | None,
        typer.Option("--to", help="diff: end with this migration; a lower number than --from prints downgrades."),
    ] = None,
    applied: Annotated[
        str | None, typer.Option(help="resolve: record this one, and all before it, as applied.")
    ] = None,
    rolled_back: Annotated[str | None, typer.Option(help="resolve: record this one as not applied.")] = None,
    no_seed: Annotated[bool, typer.Option("--no-seed", help="reset: leave the tables empty.")] = False,
    no_backup: NoBackup = False,
    backups: Backups = BACKUPS,
    consent: Consent = None,
    scratch_url: Scratch = None,
    as_json: Json = False,
) -> None:
    """Apply pending migrations, or with -t draft, report, compare, reset or correct them."""
    from gateway.data.commands import migrate, reset, seed

    waits = parse_seconds(wait, "--wait"), parse_seconds(lock_wait, "--lock-wait")
    renames = parse_renames(rename)
    folder = None if no_backup else backups
    if kind is Kind.DEPLOY:
        targets = targets_of(database, all_=all_ or database is None)
        each(
            Report("migrate", as_json=as_json),
            targets,
            lambda report, target: migrate.deploy(
                report, target, wait=waits[0], lock_wait=waits[1], dry_run=dry_run, beside=scratch_url
            ),
        )
        return
    if kind is Kind.STATUS:
        status(database, all_=all_, drift=drift, scratch_url=scratch_url, as_json=as_json)
        return
    if all_:
        fail(f"-t {kind} is for one database: say -d", code=Code.USAGE)
    target = target_of(database) if kind is Kind.DIFF else named_target(database)
    report = Report(kind, target.name, as_json=as_json)
    if kind is Kind.DEV:
        if name is None:
            fail("give the migration a name: -n NAME", code=Code.USAGE)
        report.run(
            migrate.dev(
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
        report.run(migrate.diff(report, target, start, end, renames=renames, never=no_rename))
    elif kind is Kind.RESOLVE:
        if (applied is None) == (rolled_back is None):
            fail("say --applied NAME or --rolled-back NAME", code=Code.USAGE)
        report.run(migrate.resolve(report, target, applied=applied, rolled_back=rolled_back, beside=scratch_url))
    else:
        sow = None if no_seed else seed.sower(report, target)
        report.run(reset.reset(report, target, seed=sow, backups=folder, lock_wait=waits[1], consent=consent))


@db.command(epilog="Example: dorami db status --drift")
def status(
    database: Name = None,
    all_: All = False,
    drift: Annotated[bool, typer.Option("--drift", help="List each object that was changed by hand.")] = False,
    scratch_url: Scratch = None,
    as_json: Json = False,
) -> None:
    """Report pending, unknown and edited migrations and invalid indexes, like `migrate -t status`."""
    from gateway.data.commands import overview

    each(
        Report("status", as_json=as_json),
        targets_of(database, all_=all_),
        lambda report, target: overview.status(report, target, drift=drift, beside=scratch_url),
    )


@db.command(epilog="Example: dorami db rollback -d main -t 1 --preview")
def rollback(
    database: Name = None,
    times: Annotated[int | None, typer.Option("-t", "--times", help="Undo this many, the newest first.")] = None,
    to: Annotated[str | None, typer.Option(help="Undo all migrations after this one (number or name).")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show the plan, change nothing.")] = False,
    has_backup: Annotated[
        bool, typer.Option("--i-have-a-backup", help="Required in production: confirm that you have made a backup.")
    ] = False,
    lock_wait: LockWait = "60s",
    no_backup: NoBackup = False,
    backups: Backups = BACKUPS,
    consent: Consent = None,
    scratch_url: Scratch = None,
    as_json: Json = False,
) -> None:
    """Undo migrations, the newest first. Shows a plan, asks for two codes and makes a backup first."""
    from gateway.data.commands import rollback

    if (times is None) == (to is None):
        fail("say how many with -t, or with --to the one that stays the newest", code=Code.USAGE)
    target = named_target(database)
    report = Report("rollback", target.name, as_json=as_json)
    report.run(
        rollback.rollback(
            report,
            target,
            times=times,
            to=to,
            preview=preview,
            has_backup=has_backup,
            backups=None if no_backup else backups,
            lock_wait=parse_seconds(lock_wait, "--lock-wait"),
            consent=consent,
            beside=scratch_url,
        )
    )


@db.command(epilog="Example: dorami db push -d main")
def push(
    database: Name = None,
    accept_data_loss: Annotated[bool, typer.Option("--accept-data-loss", help="Allow rows to be deleted.")] = False,
    rename: Renames = None,
    no_rename: NoRename = False,
    lock_wait: LockWait = "60s",
    no_backup: NoBackup = False,
    backups: Backups = BACKUPS,
    consent: Consent = None,
    scratch_url: Scratch = None,
    as_json: Json = False,
) -> None:
    """Apply changes of the models without writing a migration, for experiments; `migrate -t dev` undoes them first."""
    from gateway.data.commands import push

    target = named_target(database)
    report = Report("push", target.name, as_json=as_json)
    report.run(
        push.push(
            report,
            target,
            accept_loss=accept_data_loss,
            renames=parse_renames(rename),
            never=no_rename,
            backups=None if no_backup else backups,
            lock_wait=parse_seconds(lock_wait, "--lock-wait"),
            consent=consent,
            beside=scratch_url,
        )
    )
