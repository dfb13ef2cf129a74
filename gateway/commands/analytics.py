"""`dorami analytics`: the numbers for graphs and reports, as the operator's."""

import asyncio

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
    from gateway.commands.progress import Bars
    from gateway.services.analytics.backfill import backfill as steps

    with Bars() as bars:
        done = bars.add("analytics", None, "parts")
        async for step in steps(settings):
            done(step.done, step.parts)
    typer.echo(f"counted {step.minutes} minutes and {step.entries} entries of the audit log")
