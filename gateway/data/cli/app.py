"""The Typer application `dorami db`. Its commands are in the other files here; each imports what it needs when run."""

import typer

db = typer.Typer(
    no_args_is_help=True,
    help="The databases: schemas, migrations, rows. Exit codes: 0 done, 1 failed or different, 2 wrong argument or"
    " setting, 3 refused, 4 locked or timed out, 130 interrupted.",
)
