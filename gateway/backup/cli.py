"""The commands of `dorami backup`, with options and help. Each command imports the code that it needs when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.output import fail, settings_of_environment
from gateway.data.report import Report
from gateway.data.stops import Code
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.data.target import Target

backup = typer.Typer(
    no_args_is_help=True,
    help="Backups of the databases and of Redis' sessions and revocations. Exit codes as of `dorami db`.",
)

Folder = Annotated[Path | None, typer.Option(help="The folder of backups, instead of BACKUP_FOLDER.")]
Id = Annotated[str, typer.Argument(help="The name of a backup, or latest.", metavar="BACKUP")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Identity = Annotated[Path | None, typer.Option(help="The file of the age key that the backup is encrypted for.")]
Jobs = Annotated[int, typer.Option(help="Tables that are read or loaded at the same time.", min=1, max=32)]


@backup.command(epilog="Example: dorami backup create --keep 7/4/12 --recipient age1…")
def create(
    folder: Folder = None,
    jobs: Jobs = 2,
    recipient: Annotated[
        list[str] | None, typer.Option(help="Encrypt for this public key of age; may be given more than once.")
    ] = None,
    keep: Annotated[
        str | None, typer.Option(help="Then keep the newest of so many days, weeks and months; delete the others.")
    ] = None,
    redis: Annotated[bool, typer.Option("--redis/--no-redis", help="Whether Redis is backed up.")] = True,
    metrics_file: Annotated[
        Path | None, typer.Option(help="Write the backup's time and size for node_exporter's textfile collector.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Back up all databases of the settings, and Redis, while nodes continue to run."""
    from gateway.backup import create as making
    from gateway.backup.seal import recipients
    from gateway.backup.shelf import Keep
    from gateway.data.stops import Stop

    settings = settings_of_environment()
    try:
        kept = Keep.parse(keep) if keep is not None else None
        receivers = recipients(recipient or [])
    except ValueError as error:
        fail(f"--keep: {error}", code=Code.USAGE)
    except Stop as error:
        fail(*error.lines, code=Code(error.code))
    shelf = folder or settings.backup_folder
    report = Report("backup create", as_json=as_json)

    async def work() -> None:
        await making.create(
            report, settings, _targets(settings), shelf, jobs=jobs, recipients=receivers, with_redis=redis
        )
        if kept is not None:
            making.prune(report, shelf, kept)
        if metrics_file is not None:
            making.write_metrics(metrics_file, shelf)

    report.run(work())


@backup.command("list", epilog="Example: dorami backup list --json")
def list_(folder: Folder = None, as_json: Json = False) -> None:
    """List the backups, the newest first."""
    from gateway.backup import shelf

    settings = settings_of_environment()
    report = Report("backup list", as_json=as_json)

    async def work() -> None:
        entries = shelf.entries(folder or settings.backup_folder)
        report.facts["backups"] = [entry.describe() for entry in entries]
        report.table([entry.row() for entry in entries])
        if not entries:
            report.remark(f"there are no backups in {folder or settings.backup_folder}")

    report.run(work())


@backup.command(epilog="Example: dorami backup verify latest")
def verify(name: Id = "latest", folder: Folder = None, identity: Identity = None, as_json: Json = False) -> None:
    """Test a backup: check its files, load them into scratch databases, compare all numbers of rows."""
    from gateway.backup import restore as restoring
    from gateway.backup import shelf

    settings = settings_of_environment()
    report = Report("backup verify", as_json=as_json)

    async def work() -> None:
        entry = shelf.find(folder or settings.backup_folder, name)
        await restoring.verify(report, entry, {target.name: target for target in _targets(settings)}, identity)

    report.run(work())


@backup.command(epilog="Example: dorami backup restore 20261130T093000Z")
def restore(
    name: Id,
    folder: Folder = None,
    identity: Identity = None,
    jobs: Jobs = 2,
    consent: Annotated[
        str | None,
        typer.Option(
            help="The consent that the plan prints, for scripts; not in production.", metavar="NAME@FINGERPRINT"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Restore databases and Redis from a backup. Stop nodes and job workers before; former databases are renamed.

    Changes since the backup are lost, except revocations: sessions that have ended since then stay ended. Clients get a
    fresh snapshot of their rooms when they return.
    """
    from gateway.backup import restore as restoring
    from gateway.backup import shelf

    settings = settings_of_environment()
    report = Report("backup restore", as_json=as_json)

    async def work() -> None:
        entry = shelf.find(folder or settings.backup_folder, name)
        targets = {target.name: target for target in _targets(settings)}
        await restoring.restore(report, settings, entry, targets, identity=identity, consent=consent, jobs=jobs)

    report.run(work())


@backup.command("after-restore", epilog="Example: dorami backup after-restore")
def after_restore(as_json: Json = False) -> None:
    """Finish a restore by other means, such as pgBackRest's to a point in time, before nodes are started."""
    from gateway.backup import restore as restoring

    settings = settings_of_environment()
    report = Report("backup after-restore", as_json=as_json)
    report.run(restoring.after_restore(report, settings, _targets(settings)))


def _targets(settings: Settings) -> "list[Target]":
    from gateway.data.target import Target
    from gateway.postgres.databases import configured

    return [Target(spec, settings) for spec in configured(settings)]
