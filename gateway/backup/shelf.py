"""The folder of backups: their names, their order, and which of them are kept. Called by the commands."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from gateway.backup.manifest import Manifest
from gateway.data.stops import Stop

TIME = "%Y%m%dT%H%M%SZ"
_ID = re.compile(r"\d{8}T\d{6}Z")


class Keep(NamedTuple):
    """The backups to keep: the newest of each of so many days, weeks and months."""

    days: int
    weeks: int
    months: int

    @classmethod
    def parse(cls, text: str) -> "Keep":
        """Read `7/4/12`. Raises ValueError."""
        match = re.fullmatch(r"(\d{1,4})/(\d{1,4})/(\d{1,4})", text)
        if match is None or not any(map(int, match.groups())):
            raise ValueError("write how many days, weeks and months like 7/4/12, not all 0")
        return cls(*map(int, match.groups()))


class Entry(NamedTuple):
    """One backup of the folder."""

    folder: Path
    manifest: Manifest | None  # None: it was not finished, or is being made
    problem: str = ""

    @property
    def id(self) -> str:
        """The name of the backup on the command line."""
        return self.folder.name

    def describe(self) -> dict[str, Any]:
        """Return the backup for JSON."""
        if self.manifest is None:
            return {"id": self.id, "unfinished": True}
        content = self.manifest.model_dump(mode="json", exclude={"parts"})
        return {"id": self.id, "unfinished": False, "size": self.manifest.size} | content

    def row(self) -> tuple[str, ...]:
        """Return the backup as a row of a table."""
        made = self.manifest
        if made is None:
            return (self.id, "unfinished", "", "", "")
        names = [*(content.name for content in made.databases), *(["redis"] if made.redis is not None else [])]
        kind = "encrypted" if made.encrypted else "plain"
        return (self.id, "+".join(names), f"{made.size / 1e6:,.1f} MB", f"version {made.version}", kind)


def name(moment: datetime) -> str:
    """Return the name of a backup that was begun at this time (UTC)."""
    return moment.strftime(TIME)


def entries(shelf: Path) -> list[Entry]:
    """Return all backups, the newest first."""
    found = []
    for folder in sorted(shelf.iterdir(), reverse=True) if shelf.is_dir() else ():
        if _ID.fullmatch(folder.name) and folder.is_dir():
            try:
                found.append(Entry(folder, Manifest.read(folder)))
            except Stop as stop:
                found.append(Entry(folder, None, str(stop)))
    return found


def find(shelf: Path, wanted: str) -> Entry:
    """Return the backup of this name, or for `latest` the newest whole one. Raises Stop."""
    known = entries(shelf)
    if wanted == "latest":
        whole = [entry for entry in known if entry.manifest]
        if whole:
            return whole[0]
        raise Stop(f"there is no backup in {shelf}")
    for entry in known:
        if entry.id == wanted:
            if entry.manifest is None:
                raise Stop(entry.problem)
            return entry
    names = ", ".join(entry.id for entry in known[:5]) or "none"
    raise Stop(f"there is no backup {wanted} in {shelf} (there are: {names})")


def superfluous(known: list[Entry], keep: Keep) -> list[Entry]:
    """Return the whole backups that `keep` does not keep."""
    whole = [entry for entry in known if entry.manifest]
    kept: set[str] = set()
    for form, many in (("%Y-%m-%d", keep.days), ("%G-%V", keep.weeks), ("%Y-%m", keep.months)):
        newest: dict[str, str] = {}
        for entry in whole:
            newest.setdefault(datetime.strptime(entry.id, TIME).replace(tzinfo=UTC).strftime(form), entry.id)
        kept.update(list(newest.values())[:many])
    return [entry for entry in whole if entry.id not in kept]


def remove(entry: Entry) -> None:
    """Delete a backup. The manifest is first: without it the other files do not count as a backup."""
    (entry.folder / "manifest.json").unlink(missing_ok=True)
    shutil.rmtree(entry.folder)
