"""The options that several commands of `dorami db` share, and the parsing of their values."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.output import fail, settings_of_environment
from gateway.data.report import Report
from gateway.data.stops import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.data.target import Target


def _names(incomplete: str) -> list[str]:
    from gateway.postgres.databases import DATABASES

    return [spec.name for spec in DATABASES if spec.name.startswith(incomplete)]


Name = Annotated[str | None, typer.Option("-d", "--database", help="Name of the database.", autocompletion=_names)]
All = Annotated[bool, typer.Option("-a", "--all", help="All databases that have a URL in the settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Scratch = Annotated[
    str | None,
    typer.Option(help="URL of a database on a server where scratch databases may be created, if they may not here."),
]
Consent = Annotated[
    str | None,
    typer.Option(
        help="Consent to the plan with this fingerprint, for scripts. Refused in production.",
        metavar="NAME@FINGERPRINT",
    ),
]
NoBackup = Annotated[bool, typer.Option("--no-backup", help="Make no backup first.")]
Backups = Annotated[Path, typer.Option(help="Folder for the backup.")]
BACKUPS = Path(".dorami/backups")
Renames = Annotated[list[str] | None, typer.Option(help="A column was renamed.", metavar="OLD:NEW")]
NoRename = Annotated[
    bool, typer.Option("--no-rename", help="No column was renamed: drop the old ones and add the new ones.")
]
LockWait = Annotated[str, typer.Option(help="How long to retry while others hold locks on the tables.")]


def target_of(name: str | None) -> "Target":
    """Return the database of this name, `main` without one. Raises SettingsError if it has no URL in the settings."""
    from gateway.data.target import Target
    from gateway.postgres.databases import MAIN, find

    spec = MAIN if name is None else find(name)
    settings = settings_of_environment()
    spec.url(settings)
    return Target(spec, settings)


def named_target(name: str | None) -> "Target":
    """Return the database of this name; exit if no name is given."""
    if name is None:
        fail("say which database: -d main", code=Code.USAGE)
    return target_of(name)


def targets_of(name: str | None, *, all_: bool) -> "list[Target]":
    """Return the database of this name, `main` without one, or with `all_` all that have a URL in the settings."""
    from gateway.data.target import Target
    from gateway.postgres.databases import configured

    if name is not None and all_:
        fail("say -d or -a, not both", code=Code.USAGE)
    if not all_:
        return [target_of(name)]
    settings = settings_of_environment()
    return [Target(spec, settings) for spec in configured(settings)]


def each(
    report: Report, targets: "list[Target]", work: "Callable[[Report, Target], Coroutine[Any, Any, None]]"
) -> None:
    """Run `work` for each database, one after the other, until one fails."""
    if len(targets) == 1:
        report.facts["database"] = targets[0].name
        report.run(work(report, targets[0]))
        return

    async def work_on_all() -> None:
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

    report.run(work_on_all())


def parse_renames(options: list[str] | None) -> dict[str, str]:
    """Return new names by old names; exit for an option that is not `OLD:NEW`."""
    pairs = [text.split(":") for text in options or []]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        fail("--rename: write it like old_name:new_name", code=Code.USAGE)
    return {pair[0]: pair[1] for pair in pairs}


def parse_seconds(text: str, option: str) -> float:
    """Return a duration such as `5m` in s; exit with the option's name if it is not one."""
    from pydantic import TypeAdapter, ValidationError

    from gateway.setting_types import Duration

    try:
        return TypeAdapter(Duration).validate_python(text).total_seconds()
    except ValidationError as error:
        fail(f"{option}: {error.errors()[0]['msg'].removeprefix('Value error, ')}", code=Code.USAGE)


def read_text(file: Path) -> str:
    """Return the text of a file, or of stdin for `-`; exit if it cannot be read."""
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {getattr(error, 'strerror', None) or 'is not UTF-8'}", code=Code.USAGE)
