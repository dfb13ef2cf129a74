"""`dorami db seed`, `execute`, `shell` and `studio`: read and write rows."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.output import fail
from gateway.data.cli.app import db
from gateway.data.cli.options import All, Consent, Json, Name, each, named_target, parse_seconds, read_text, targets_of
from gateway.data.report import Report
from gateway.data.stops import Code

CHANGES = Path(".dorami/studio-changes.jsonl")


@db.command(epilog="Example: dorami db seed -d main --size 100000")
def seed(
    database: Name = None,
    all_: All = False,
    check: Annotated[bool, typer.Option("--check", help="Report what is missing, create nothing.")] = False,
    size: Annotated[
        int,
        typer.Option(help="Also create this many messages in shows of the last thirty days, and orders.", min=0),
    ] = 0,
    as_json: Json = False,
) -> None:
    """Create the accounts, streams and products for development that do not exist yet."""
    from gateway.data.commands import seed

    each(
        Report("seed", as_json=as_json),
        targets_of(database, all_=all_),
        lambda report, target: seed.seed(report, target, check=check, size=size),
    )


@db.command(epilog='Example: dorami db execute -d main -c "SELECT key, status FROM streams" --format csv')
def execute(
    database: Name = None,
    command: Annotated[str | None, typer.Option("-c", help="The statement.")] = None,
    file: Annotated[Path | None, typer.Option("-f", help="File with the statement; - for stdin.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Allow writing.")] = False,
    limit: Annotated[int, typer.Option(help="Maximum number of rows.", min=1, max=1_000_000)] = 200,
    timeout: Annotated[str, typer.Option(help="Time limit of the statement.")] = "5s",
    shape: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
    as_json: Json = False,
    consent: Consent = None,
) -> None:
    """Run one SQL statement, in a read-only transaction unless --write is given."""
    from gateway.data.commands import execute

    if (command is None) == (file is None):
        fail("give the statement with -c, or with -f the file that has it", code=Code.USAGE)
    if shape not in ("table", "json", "csv"):
        fail(f"--format: there is no format {shape} (there are: table, json, csv)", code=Code.USAGE)
    seconds = parse_seconds(timeout, "--timeout")
    target = named_target(database)
    report = Report("execute", target.name, as_json=as_json)
    statement = command if command is not None else read_text(file or Path("-"))
    report.run(
        execute.run(report, target, statement, write=write, limit=limit, seconds=seconds, shape=shape, consent=consent)
    )


@db.command(epilog="Example: dorami db shell -d main")
def shell(
    database: Name = None,
    write: Annotated[bool, typer.Option("--write", help="Allow writing.")] = False,
) -> None:
    """Open psql, read-only unless --write is given."""
    from gateway.data.commands import execute

    target = named_target(database)
    report = Report("shell", target.name)
    report.run(execute.shell(report, target, write=write))


@db.command(epilog="Example: dorami db studio -d main")
def studio(
    database: Name = None,
    port: Annotated[int, typer.Option(help="The port on this machine; 0 takes a free one.", min=0, max=65535)] = 0,
    write: Annotated[bool, typer.Option("--write", help="Allow changing single values; needs -d and consent.")] = False,
    consent: Consent = None,
) -> None:
    """Browse the rows of all databases, or of one, in the browser. Read-only unless --write; secrets are not shown."""
    from gateway.data.studio.server import serve

    targets = [named_target(database)] if write else targets_of(database, all_=database is None)
    report = Report("studio")
    report.run(serve(report, targets, port, changes=CHANGES if write else None, consent=consent))
