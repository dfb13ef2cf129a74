"""The console of `clients/console`, built for tests. Called by the tests that use it."""

import fcntl
import subprocess
import sys
from pathlib import Path

from tests.client_package import node

PROJECT = Path(__file__).parent.parent
SOURCES = PROJECT / "clients" / "console"
BUILT = PROJECT / "gateway" / "console"
COMMANDS = ("typescript/bin/tsc", "vite/bin/vite.js build")


def build() -> Path:
    """Build the console if a source is newer than what was built; its folder. Processes take turns.

    After `make console`, which `make test` runs before, nothing is built while tests run.
    """
    with (SOURCES / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folders = (SOURCES / "src", PROJECT / "clients" / "js" / "src")
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        files += [SOURCES / name for name in ("index.html", "package-lock.json", "tsconfig.json", "vite.config.ts")]
        page = BUILT / "index.html"
        if not page.exists() or page.stat().st_mtime < max(path.stat().st_mtime for path in files):
            for command in COMMANDS:
                subprocess.run([node(), *f"node_modules/{command}".split()], cwd=SOURCES, check=True, stdout=sys.stderr)
    return BUILT
