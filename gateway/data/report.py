"""The output of a command of `dorami db`: results on stdout, remarks on stderr, an exit code."""

import asyncio
import json
import os
import traceback
from collections.abc import Coroutine
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import typer

from gateway.data.stops import Code, Stop
from gateway.errors import GatewayError, Unavailable
from gateway.server_problems import Misconfigured, OperatorError, explain
from gateway.settings import SettingsError

NOT_THERE = (
    OSError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
)
# The exit code and the text for errors of asyncpg; the first match is used.
ENDINGS: tuple[tuple[tuple[type[BaseException], ...], Code, str], ...] = (
    ((asyncpg.ClientConfigurationError,), Code.USAGE, "its URL is not one that PostgreSQL can be reached by"),
    ((asyncpg.LockNotAvailableError,), Code.LOCKED, "another connection holds a lock: see `dorami db debug`"),
    ((asyncpg.QueryCanceledError,), Code.LOCKED, "this took too long and was ended"),
    ((TimeoutError,), Code.LOCKED, "the database does not answer in time"),
    ((*NOT_THERE, asyncpg.InterfaceError), Code.FAILED, "the database {explanation}"),
    ((asyncpg.PostgresError,), Code.FAILED, "PostgreSQL refuses it: {text}"),
)


class Report:
    """The output of one command about one database, or about all without `database`."""

    def __init__(self, command: str, database: str | None = None, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.ok = True
        self.prefix = ""  # of lines about one database of several
        self.facts: dict[str, Any] = {"command": command} | ({"database": database} if database else {})

    def line(self, text: str = "") -> None:
        """Print a line of the result."""
        if not self.as_json:
            typer.echo(self.prefix + text)

    def remark(self, text: str) -> None:
        """Print a line on stderr: progress, or what to do next."""
        typer.echo(self.prefix + text, err=True)

    def table(self, rows: list[tuple[str, ...]]) -> None:
        """Print rows of texts in columns."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
        for row in rows:
            self.line("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run the work, print its error and the JSON if any, and exit with a code unless it succeeded."""
        code: Code = Code.INTERRUPTED
        lines: tuple[str, ...] = ("Nothing more was done.",)
        try:
            asyncio.run(work)
        except KeyboardInterrupt:
            pass
        except BaseExceptionGroup as group:
            code, lines = _ending(group.exceptions[0])
        except Exception as error:
            code, lines = _ending(error)
        else:
            self._finish(Code.FAILED if not self.ok else None)
            return
        self.ok = False
        self.facts["error"] = " ".join(lines)
        for line in lines:
            typer.echo(line, err=True)
        self._finish(code)

    def _finish(self, code: Code | None) -> None:
        if self.as_json:
            facts = {**self.facts, "ok": self.ok}
            typer.echo(json.dumps(facts, ensure_ascii=False, indent=2, default=plain))
        if code is not None:
            raise typer.Exit(code)


def plain(value: Any) -> Any:
    """Return a value of PostgreSQL as text, for JSON."""
    match value:
        case datetime() | date():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case bytes():
            return "\\x" + value.hex()
    return str(value)


def _ending(error: BaseException) -> tuple[Code, tuple[str, ...]]:
    """Return the exit code and the lines for an error."""
    if isinstance(error, Stop):
        return Code(error.code), error.lines
    if isinstance(error, SettingsError):
        return Code.USAGE, tuple(error.lines)
    if isinstance(error, Unavailable):
        return Code.FAILED, (f"the {error.what} {explain(error)}",)
    if isinstance(error, OperatorError):
        return Code(error.code), (str(error),)
    if isinstance(error, Misconfigured | GatewayError):
        return Code.FAILED, (str(error.args[0] if error.args else error),)
    for kinds, code, line in ENDINGS:
        if isinstance(error, kinds):
            return code, (line.format(explanation=explain(error), text=_first_line(error)),)
    if os.environ.get("LOG_LEVEL") == "DEBUG":
        traceback.print_exception(error)
    return Code.FAILED, (f"{type(error).__name__}: {_first_line(error)} (LOG_LEVEL=DEBUG tells where)",)


def _first_line(error: BaseException) -> str:
    return str(error.args[0] if error.args else type(error).__name__).partition("\n")[0]
