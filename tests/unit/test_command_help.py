"""The help of every command ends with an example that the command line accepts."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from gateway.cli import cli


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Return each command that help lists, with its name from `dorami` on."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        elif not command.hidden:
            yield " ".join((*path, name)), command


ALL = dict(commands(get_command(cli)))


@pytest.mark.parametrize("name", ALL)
def test_the_help_of_a_command_ends_with_an_example(name: str) -> None:
    command = ALL[name]
    begin, _, example = (command.epilog or "").partition("Example: ")
    assert begin == ""
    example = example.partition(". More: ")[0]
    assert example.startswith(f"dorami {name}")
    with command.make_context(name, shlex.split(example)[1 + len(name.split()) :]):
        pass  # its options and arguments are there


@pytest.mark.parametrize("name", ALL)
def test_the_help_of_a_command_says_what_it_and_its_options_do(name: str) -> None:
    assert ALL[name].help
    lacking = [part.name for part in ALL[name].params if not getattr(part, "help", None)]
    assert lacking == []
