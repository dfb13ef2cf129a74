"""Runs PostgreSQL for root as another user, who must reach its programs and data. Used by servers.py.

PostgreSQL refuses to run as root, and other users often cannot enter root's home. Its permissions are not changed:
programs and data are put below /var/tmp, where other users cannot replace root's folders.
"""

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gateway.dev.server_process import StackError

USER = "nobody"
PREFIX = "dorami-"
SHARED = Path("/var/tmp")  # noqa: S108  every folder created in it is checked to be root's


def identity() -> tuple[int, int]:
    """Return the user and group that PostgreSQL runs as."""
    entry = pwd.getpwnam(USER)
    return entry.pw_uid, entry.pw_gid


def reachable(path: Path) -> bool:
    """Return whether every user may enter all folders above a path."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents if parent.exists())


def data_folder(folder: Path) -> Path:
    """Return the folder for the data of `folder`: itself, or one below /var/tmp to which `folder` becomes a link.

    Creates the link, but not the folder. Raises StackError if there is data that the user cannot reach.
    """
    shelter = folder.parent
    if shelter.parent == SHARED and shelter.name.startswith(PREFIX) and shelter.stat().st_uid != 0:
        raise StackError(f"{shelter} is not root's: remove the link to it and start again")
    if reachable(folder):
        return folder
    if folder.exists():
        raise StackError(f"PostgreSQL cannot run as root, and its user cannot reach {folder}: move it away")
    shelter = Path(tempfile.mkdtemp(prefix=PREFIX, dir=SHARED))
    shelter.chmod(0o711)
    folder.symlink_to(shelter / folder.name)
    return shelter / folder.name


def programs(folder: Path, packages: Sequence[Path]) -> Path:
    """Return the folder of programs, or its folder in a copy of `packages` that the user can access.

    `packages` are sibling folders, one of which contains the programs; the others contain their libraries.
    """
    if reachable(folder / "postgres"):
        return folder
    contents = _contents(packages)
    target = SHARED / f"{PREFIX}postgresql-{hashlib.sha256(repr(contents).encode()).hexdigest()[:16]}"
    if not _usable(target, contents):
        copy = Path(tempfile.mkdtemp(prefix=f"{PREFIX}postgresql-", dir=SHARED))
        for package in packages:
            shutil.copytree(package, copy / package.name, symlinks=True)
        copy.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        try:
            copy.rename(target)
        except OSError as error:  # another process was faster
            shutil.rmtree(copy)
            if not _usable(target, contents):
                raise StackError(f"cannot put PostgreSQL where {USER} can run it: {error}") from error
    return target / folder.relative_to(packages[0].parent)


def _contents(packages: Sequence[Path]) -> list[tuple[str, int]]:
    """Return all files with their sizes, to detect copies with missing files: systems clean /var/tmp."""
    files = [
        (package.parent, Path(folder, name))
        for package in packages
        for folder, _, names in os.walk(package)
        for name in names
        if not name.endswith(".pyc")
    ]
    return sorted((str(file.relative_to(site)), file.lstat().st_size) for site, file in files)


def _usable(copy: Path, contents: list[tuple[str, int]]) -> bool:
    try:
        found = copy.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise StackError(f"{copy} is not root's: remove it")
    return _contents(list(copy.iterdir())) == contents
