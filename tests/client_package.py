"""The JavaScript client package of `clients/js`, built for tests. Called by the tests that use it."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "clients" / "js"
STAMP = PACKAGE / "dist" / ".built-from"


def node() -> str:
    """Return the path of Node: the machine's own, or the one that was installed into the environment."""
    found = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    assert found, "the client tests need Node on the PATH"
    return found


def build() -> Path:
    """Build the package unless it is built from today's sources; its folder. Processes take turns."""
    with (PACKAGE / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sources = [*(PACKAGE / "src").iterdir(), PACKAGE / "tsconfig.json", PACKAGE / "scripts" / "build.mjs"]
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources))).hexdigest()
        if not STAMP.exists() or STAMP.read_text() != digest:
            subprocess.run([node(), "scripts/build.mjs"], cwd=PACKAGE, check=True, stdout=sys.stderr)
            STAMP.write_text(digest)
    return PACKAGE
