"""The settings, logs and errors of commands. Used by all commands."""

import sys
from typing import Any, NoReturn

import typer

from gateway.settings import Settings, load

USAGE = 2  # exit code for a mistake in the settings or the arguments; other failures exit with 1


def settings_of_environment(**overrides: Any) -> Settings:
    """Return the settings of the environment and configure logging to stderr: stdout is for results."""
    settings = load(**overrides)
    from gateway import logs

    logs.configure(settings)
    return settings


def fail(*lines: str, code: int = 1) -> NoReturn:
    """Print a line for each mistake and exit."""
    for line in lines:
        typer.echo(line, err=True)
    sys.exit(code)
