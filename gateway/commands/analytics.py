"""`dorami analytics`: the numbers for graphs and reports, as the operator's."""

import asyncio
import sys

import typer

from gateway.commands.output import settings_of_environment
from gateway.settings import Settings

analytics = typer.Typer(no_args_is_help=True, help="The numbers for graphs and reports.")


@analytics.callback()
def options() -> None:
    """Manage the numbers for graphs and reports."""


@analytics.command(epilog="Example: dorami analytics backfill")
def backfill() -> None:
    """Count again, from the main database, sales, messages and moderation up to five minutes ago.

    For what happened before RDS_ANALYTICS_URL was set, or was lost. Harmless at any time, and when it is repeated.
    Viewers cannot be counted again.
    """
    settings = settings_of_environment()
    asyncio.run(_backfill(settings))


async def _backfill(settings: Settings) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from gateway.services.analytics.backfill import backfill as steps

    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("streams", total=None)
        async for step in steps(settings):
            bar.update(task, total=step.parts, completed=step.done)
    typer.echo(f"counted {step.minutes} minutes and {step.entries} entries of the audit log")
