"""`dorami analytics`: commands for the numbers of graphs and reports."""

import asyncio
from typing import TYPE_CHECKING

import typer

from gateway.commands.output import settings_of_environment
from gateway.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

analytics = typer.Typer(no_args_is_help=True, help="The numbers for graphs and reports.")


@analytics.callback()
def options() -> None:
    """Manage the numbers for graphs and reports."""


@analytics.command(epilog="Example: dorami analytics backfill")
def backfill() -> None:
    """Count sales, messages and moderation up to five minutes ago again, from the main database.

    For the time before RDS_ANALYTICS_URL was set, or for lost numbers. It may run at any time, and repeatedly. Viewers
    cannot be counted again.
    """
    settings = settings_of_environment()
    asyncio.run(_backfill(settings))


async def _backfill(settings: Settings) -> None:
    from gateway.commands.progress import Bars
    from gateway.services.analytics.backfill import backfill as steps

    with Bars() as bars:
        shows: dict[str, Callable[..., None]] = {}
        counted: dict[str, str] = {}
        async for step in steps(settings):
            if step.part not in shows:
                shows[step.part] = bars.add(step.part, step.total, step.unit)
            shows[step.part](step.done, step.total)
            counted[step.part] = f"{step.counted:,} {step.result}"
    typer.echo(f"counted {', '.join(counted.values())}")
