"""Drafts the migration for changed models with aerich, without a database, on a copy of the migrations. Called by
`migrate -t dev`, `migrate -t diff`, `push` and `validate`."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.data.schema import levels
from gateway.data.stops import Code, Stop
from gateway.postgres.databases import DatabaseSpec
from gateway.postgres.migration_files import Migration, read

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKED = re.compile(r"Rename (\w+) to (\w+)\?")
NOT_NULL = re.compile(r'ADD (?:COLUMN )?"(\w+)" (?![^;,]*\bDEFAULT\b)[^;,]*\bNOT NULL', re.IGNORECASE)
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"  # aerich needs a URL, but does not connect


@dataclass(frozen=True)
class Draft:
    """A migration that does not exist as a file yet."""

    name: str
    text: str  # of its file
    up: str
    down: str

    @property
    def warnings(self) -> list[str]:
        """Problems to check before it is applied."""
        return [
            f'column "{name}" is NOT NULL without a default: it fails on a table with rows'
            for name in NOT_NULL.findall(self.up)
        ]

    def step(self, *, down: bool = False) -> levels.Step:
        """Return the statements of one direction."""
        return levels.Step(self.name, self.down if down else self.up)


def draft(
    spec: DatabaseSpec,
    name: str = "draft",
    *,
    renames: Mapping[str, str] | None = None,
    never: bool = False,
    after: Sequence[tuple[str, str]] = (),
) -> Draft | None:
    """Return the migration for changed models; None if they have not changed.

    If a column was removed and one of the same type was added, it may have been renamed. `renames` (old name to new)
    lists renamed columns, `never` says that there are none; without either, Stop is raised. `after`: names and texts of
    migrations that follow those of the folder.
    """
    if not spec.models() and not read(spec.migrations):
        return None
    with tempfile.TemporaryDirectory(prefix="dorami-draft-") as scratch:
        folder = Path(scratch) / spec.label
        shutil.copytree(spec.migrations, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for file, text in after:
            (folder / f"{file}.py").write_text(text)
        open_questions: list[tuple[str, str]] = []

        def renamed(old: str, new: str) -> bool:
            if renames and renames.get(old) == new:
                return True
            if not never:
                open_questions.append((old, new))
            return False

        made = asyncio.run(_aerich(spec, name, scratch, renamed))
        if open_questions:
            questions = [
                f"is {new} the column {old} under a new name? Say --rename {old}:{new} or --no-rename"
                for old, new in open_questions
            ]
            raise Stop(*dict.fromkeys(questions), code=Code.USAGE)
        if not made:
            return None
        file_ = folder / made
        return asyncio.run(_read(file_))


async def _read(file: Path) -> Draft:
    migration = Migration(file)
    return Draft(migration.name, file.read_text(), (await levels.up(migration)).sql, (await levels.down(migration)).sql)


async def _aerich(spec: DatabaseSpec, name: str, scratch: str, renamed: Callable[[str, str], bool]) -> str | None:
    from aerich import Command
    from aerich.migrate import Migrate
    from tortoise.context import TortoiseContext

    config = {
        "connections": {"none": NOWHERE},
        "apps": {spec.label: {"models": spec.models(), "default_connection": "none"}},
        "use_tz": True,
        "timezone": "UTC",
    }
    with _answered(renamed), _own_lists(Migrate):
        async with TortoiseContext():
            command = Command(config, spec.label, scratch)
            if not any(Path(scratch, spec.label).glob("[0-9]*_*.py")):
                shutil.rmtree(Path(scratch, spec.label))  # aerich creates it
                await command.init_migrations(safe=False)
                return next(Path(scratch, spec.label).glob("0_*.py")).name
            await command.init(offline=True)
            made: str | None = await command.migrate(name, offline=True) or None
            return made


@contextmanager
def _answered(renamed: Callable[[str, str], bool]) -> "Iterator[None]":
    """Answer aerich's questions on the terminal with `renamed`."""
    import asyncclick

    async def prompt(question: str, **_: Any) -> bool:
        found = ASKED.search(question)
        return bool(found and renamed(found[1], found[2]))

    before = asyncclick.prompt
    asyncclick.prompt = prompt  # type: ignore[assignment]  # aerich passes only a question
    try:
        yield
    finally:
        asyncclick.prompt = before


@contextmanager
def _own_lists(migrate: Any) -> "Iterator[None]":
    """Replace the lists of `migrate` with empty ones for the block; aerich never empties them."""
    kept = {name: value for name, value in vars(migrate).items() if isinstance(value, list | dict)}
    for name, value in kept.items():
        setattr(migrate, name, type(value)())
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(migrate, name, value)
