"""The console of `clients/console`, built for tests. Called by the tests that use it."""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

from tests.client_package import node

PROJECT = Path(__file__).parent.parent
SOURCES = PROJECT / "clients" / "console"
BUILT = PROJECT / "gateway" / "console"
STAMP = SOURCES / "node_modules" / ".built-from"


def build() -> Path:
    """Build the console unless it is built from today's sources; its folder. Processes take turns."""
    with (SOURCES / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folders = [SOURCES / "src", PROJECT / "clients" / "js" / "src"]
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        files += [SOURCES / name for name in ("index.html", "package-lock.json", "tsconfig.json", "vite.config.ts")]
        content = b"".join(b"%s\0%s\0" % (str(path).encode(), path.read_bytes()) for path in sorted(files))
        digest = hashlib.sha256(content).hexdigest()
        if not (BUILT / "index.html").exists() or not STAMP.exists() or STAMP.read_text() != digest:
            for script in ("typescript/bin/tsc", "vite/bin/vite.js build"):
                command = [node(), *f"node_modules/{script}".split()]
                subprocess.run(command, cwd=SOURCES, check=True, stdout=sys.stderr)
            STAMP.write_text(digest)
    return BUILT
