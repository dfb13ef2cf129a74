"""The shop page of `clients/shop`, built into the folder that the gateway serves. Called by tests that need it."""

import fcntl
import subprocess
import sys
from pathlib import Path

from tests.client_package import PACKAGE, node

SOURCES = PACKAGE.parent / "shop"
BUILT = PACKAGE.parents[1] / "gateway" / "web" / "shop"


def build() -> Path:
    """Build the page if a source is newer, as `make` does; its folder. Processes take turns."""
    with (SOURCES / "build.mjs").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sources = [path for folder in (SOURCES, SOURCES / "src", PACKAGE / "src") for path in folder.iterdir()]
        built = BUILT / "shop.js"
        if not built.exists() or built.stat().st_mtime < max(path.stat().st_mtime for path in sources):
            subprocess.run([node(), "build.mjs"], cwd=SOURCES, check=True, stdout=sys.stderr)
    return BUILT
