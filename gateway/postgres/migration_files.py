"""Reads the files of migrations and compares them with the applied ones. Used by migrations.py and commands."""

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from gateway.server_problems import OperatorError

_NAME = re.compile(r"(?P<number>\d+)_\w+")


class MigrationError(OperatorError):
    """Migrations cannot be applied or undone; the text says why."""


class MigrationsLocked(MigrationError):
    """A lock was not free in time: that of migrations, or one on a table."""

    code = 4


class Migration:
    """One file of migrations. It is read once, so that the hashed text is the one that runs."""

    def __init__(self, file: Path) -> None:
        match = _NAME.fullmatch(file.stem)
        if match is None:
            raise MigrationError(f"{file.name}: is not named NUMBER_TIME_NAME.py")
        text = file.read_text()
        self.name = file.stem
        self.number = int(match["number"])
        self.sha256 = hashlib.sha256(text.encode()).hexdigest()
        # As a module of its package, so that its imports of siblings work, whatever the folder.
        module = ModuleType(f"migrations.{file.parent.name}.{file.stem}")
        module.__file__, module.__package__ = str(file), f"migrations.{file.parent.name}"
        exec(compile(text, str(file), "exec"), module.__dict__)  # noqa: S102  the project's own file
        self._module = module

    @property
    def in_transaction(self) -> bool:
        """Whether its statements are run in a transaction. If not, it has a single one."""
        return bool(getattr(self._module, "RUN_IN_TRANSACTION", True))

    async def up(self) -> str:
        """Return the statements that apply it."""
        return str(await self._module.upgrade(None))

    async def down(self) -> str:
        """Return the statements that undo it."""
        return str(await self._module.downgrade(None))

    def models(self) -> dict[str, Any]:
        """Return the state of the models after it, as aerich describes them."""
        from aerich.utils import decompress_dict  # the import, with Tortoise, takes 0.1 s

        state = getattr(self._module, "MODELS_STATE", None)
        return decompress_dict(state) if state else {}


def read(folder: Path) -> list[Migration]:
    """Return the migrations of a folder in order. Raises MigrationError if two have the same number."""
    found = sorted(map(Migration, folder.glob("[0-9]*.py")), key=lambda migration: migration.number)
    for one, other in itertools.pairwise(found):
        if one.number == other.number:
            raise MigrationError(f"{one.name} and {other.name} have the same number")
    return found


class Applied(NamedTuple):
    """The record of an applied migration. Records of versions without hashes have only a name."""

    name: str
    sha256: str | None
    at: datetime | None
    seconds: float | None


@dataclass(frozen=True)
class Status:
    """The applied migrations of a database, and the files."""

    files: Sequence[Migration]
    applied: Sequence[Applied]  # in the order in which they were applied
    invalid: Sequence[str]  # indexes whose creation was interrupted

    @property
    def pending(self) -> list[Migration]:
        """The files that are not applied, in their order."""
        names = {applied.name for applied in self.applied}
        return [migration for migration in self.files if migration.name not in names]

    @property
    def ahead(self) -> list[str]:
        """Applied migrations without a file: a newer version applied them."""
        names = {migration.name for migration in self.files}
        return [applied.name for applied in self.applied if applied.name not in names]

    @property
    def edited(self) -> list[str]:
        """Applied migrations whose file has changed since."""
        hashes = {migration.name: migration.sha256 for migration in self.files}
        return [
            applied.name
            for applied in self.applied
            if applied.sha256 is not None and hashes.get(applied.name, applied.sha256) != applied.sha256
        ]

    def to_apply(self, to: int | None = None) -> list[Migration]:
        """Return the migrations that bring the database up to a number, or to the last.

        Raises MigrationError for a database that is ahead of the code, or whose migrations were edited.
        """
        if missing := [migration for migration in self.pending if to is None or migration.number <= to]:
            self._refuse_unknown()
        return missing

    def to_undo(self, *, count: int | None = None, to: int | None = None) -> list[Migration]:
        """Return the last `count` migrations, or all after the number `to`, the newest first.

        Raises MigrationError if that includes the first migration or more than there are, and where `to_apply` does.
        """
        self._refuse_unknown()
        files = {migration.name: migration for migration in self.files}
        newest = [files[applied.name] for applied in reversed(self.applied)]
        if count is not None:
            if not 1 <= count < max(len(newest), 1):
                raise MigrationError(
                    f"{max(len(newest) - 1, 0)} migrations can be undone, not {count}: the first stays"
                )
            return newest[:count]
        if to is None or all(migration.number != to for migration in newest):
            raise MigrationError(f"there is no applied migration {to}")
        return [migration for migration in newest if migration.number > to]

    def _refuse_unknown(self) -> None:
        if self.ahead:
            raise MigrationError(f"the database is ahead of this version: it has {', '.join(self.ahead)}")
        if self.edited:
            raise MigrationError(f"changed since they were applied: {', '.join(self.edited)}")
