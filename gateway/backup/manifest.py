"""The manifest of a backup, `manifest.json`. It is written last. Used by all code that reads a backup."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from gateway.data.stops import Stop

NAME = "manifest.json"
FORMAT = 1  # of the backup; newer formats are refused
CHUNK = 1 << 20  # bytes that are hashed at a time


def _inside(path: str) -> str:
    """Refuse a path that leads out of the backup: a manifest may be forged."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("leads out of the backup")
    return path


class Part(BaseModel):
    """One file of a backup."""

    model_config = ConfigDict(frozen=True)

    path: Annotated[str, AfterValidator(_inside)]  # relative to the backup's folder
    size: int  # bytes
    sha256: str


class DatabaseContent(BaseModel):
    """The content of one database in the snapshot of the backup."""

    model_config = ConfigDict(frozen=True)

    name: str  # of the registry of databases
    server: int  # major version of PostgreSQL
    migration: str  # the newest applied one
    rows: dict[str, int]  # by table
    rooms: str = ""  # SHA-256 of the place of every room; empty for a database without rooms


class Manifest(BaseModel):
    """A whole backup."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    version: str  # of the gateway
    created_at: datetime  # when the backup was begun
    seconds: float  # the duration
    databases: tuple[DatabaseContent, ...]
    redis: int | None  # keys; None if Redis was not backed up
    encrypted: bool = False
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.parts)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the manifest of a backup. Raises Stop if it is missing, broken or of a later version."""
        try:
            manifest = cls.model_validate_json((folder / NAME).read_bytes())
        except FileNotFoundError:
            raise Stop(f"{folder.name} has no {NAME}: it was not finished, or is not a backup") from None
        except (ValidationError, OSError):
            raise Stop(f"{folder.name}: its {NAME} cannot be read") from None
        if manifest.format > FORMAT:
            raise Stop(f"{folder.name} was made by version {manifest.version}, which this one cannot read")
        return manifest

    def write(self, folder: Path) -> None:
        """Write the manifest, whole or not at all."""
        draft = folder / f".{NAME}"
        draft.write_text(self.model_dump_json(indent=2) + "\n")
        draft.chmod(0o600)
        draft.replace(folder / NAME)

    def check(self, folder: Path, done: Callable[[int], None] = lambda _: None) -> None:
        """Compare every part with the manifest, and call `done` with the bytes of each part. Raises Stop."""
        problems = []
        there = {path.relative_to(folder).as_posix() for path in files(folder)}
        for part in self.parts:
            path = folder / part.path
            if not path.is_file():
                problems.append(f"{part.path} is missing")
            elif path.stat().st_size != part.size:
                problems.append(f"{part.path} has {path.stat().st_size} bytes instead of {part.size}")
            elif digest(path) != part.sha256:
                problems.append(f"{part.path} was changed")
            there.discard(part.path)
            done(part.size)
        problems += [f"{path} is not part of it" for path in sorted(there)]
        if problems:
            raise Stop(f"{folder.name} is damaged:", *problems)


def parts(folder: Path) -> tuple[Part, ...]:
    """Describe all files of a backup that has no manifest yet."""
    return tuple(
        Part(path=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=digest(path))
        for path in files(folder)
    )


def files(folder: Path) -> Iterable[Path]:
    """List the files of a backup except its manifest, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (NAME, f".{NAME}"))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def now() -> datetime:
    """Return the time, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)
