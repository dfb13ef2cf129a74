"""How commands begin and end: settings, logs on stderr, one line for each mistake. Used by all commands."""

import sys
from typing import Any, NoReturn

import typer

from gateway.settings import Settings, load

USAGE = 2  # exit code of a mistake in the settings or the arguments; what fails for other reasons exits with 1


def settings_of_environment(**overrides: Any) -> Settings:
    """Return the settings of the environment, and log as they say: on stderr, so that stdout has results alone."""
    settings = load(**overrides)
    from gateway import logs

    logs.configure(settings)
    return settings


def fail(*lines: str, code: int = 1) -> NoReturn:
    """Print a line for each mistake and exit."""
    for line in lines:
        typer.echo(line, err=True)
    sys.exit(code)
