"""Asks for consent before a change that cannot be undone: shows a plan, asks for two codes, makes the plan again.
Used by reset, rollback, push, pull and writes to production."""

import asyncio
import hashlib
import json
import os
import secrets
import sys
import termios
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import typer

from gateway.data.report import Report
from gateway.data.stops import Code, Stop

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without characters that look alike: 0 O 1 I
LENGTH = 4
SECONDS = 60.0  # for each code
NOTHING = "Nothing was done."


@dataclass(frozen=True)
class Plan:
    """The effects of a command: a summary, and a line for each effect. Plans with the same effects are equal."""

    database: str
    summary: str
    lines: Sequence[str] = field(default_factory=tuple)

    @property
    def fingerprint(self) -> str:
        """Identifies this plan in the consent of a script."""
        text = json.dumps([self.database, self.summary, *self.lines])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def describe(self) -> dict[str, Any]:
        """Return the plan for JSON."""
        return {"summary": self.summary, "lines": list(self.lines), "consent": f"{self.database}@{self.fingerprint}"}

    def show(self, report: Report) -> None:
        """Print the plan on stderr, where the question follows."""
        report.facts["plan"] = self.describe()
        for line in (*self.lines, self.summary):
            report.remark(line)


async def ask(
    report: Report, make: Callable[[], Awaitable[Plan]], *, given: str | None = None, production: bool = False
) -> Plan:
    """Show the plan that `make` returns, and return it after consent. Raises Stop otherwise.

    `given`: the consent of a script, `<name>@<fingerprint>`, which is refused in production.
    """
    plan = await make()
    plan.show(report)
    if given is not None:
        if production:
            raise Stop("--consent does not count in production. " + NOTHING, code=Code.REFUSED)
        if given != f"{plan.database}@{plan.fingerprint}":
            raise Stop(f"--consent is for another plan. {NOTHING}", code=Code.REFUSED)
        return plan
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        hint = "" if production else f" For scripts: --consent {plan.database}@{plan.fingerprint}"
        raise Stop(f"This needs a person at a terminal. {NOTHING}{hint}", code=Code.REFUSED)
    codes = _codes()
    for question, code in zip(("Type {} to go on: ", "Once more, type {}: "), codes, strict=True):
        if await _typed(question.format(code)) != code:
            raise Stop(NOTHING, code=Code.REFUSED)
    if await make() != plan:
        raise Stop(f"The plan has changed while you were asked. {NOTHING}", code=Code.REFUSED)
    return plan


def _codes() -> list[str]:
    """Return two different codes."""
    codes: list[str] = []
    while len(codes) < 2:
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        if code not in codes:
            codes.append(code)
    return codes


async def _typed(question: str) -> str | None:
    """Show a question and return the line typed after it; None after SECONDS or at the end of input.

    The event loop reads the line, because Ctrl-C only cancels the task that the loop runs.
    """
    inlet, loop, line = sys.stdin.fileno(), asyncio.get_running_loop(), b""
    termios.tcflush(inlet, termios.TCIFLUSH)  # drops input from before the question
    typer.echo(question, nl=False, err=True)
    readable = asyncio.Event()
    loop.add_reader(inlet, readable.set)
    try:
        async with asyncio.timeout(SECONDS):
            while not line.endswith(b"\n"):
                await readable.wait()
                readable.clear()
                if not (some := os.read(inlet, 256)):
                    return None
                line += some
    except TimeoutError:
        typer.echo(err=True)
        return None
    finally:
        loop.remove_reader(inlet)
    return line.decode(errors="replace").strip().upper()
