"""The software bill of materials: every package of the lock files, as CycloneDX JSON.

`make sbom` writes it beside the wheel. deploy/Dockerfile runs this file by itself, with a bare Python, and puts the
result into the image; Debian's packages are listed by the base image.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

REQUIREMENT = re.compile(r"^([\w.-]+)==([\w.+!]+)(?: ; (.+?))?(?: \\)?$", re.MULTILINE)


def packages(lock: Path) -> Iterator[tuple[str, str, str, bool]]:
    """Yield kind, name, version and whether it is installed only on some platforms, of each package of a lock.

    `lock` is a requirements file or a package-lock.json, whose packages for development are omitted.
    """
    if lock.suffix == ".json":
        for path, package in json.loads(lock.read_text())["packages"].items():
            if "node_modules/" in path and not (package.get("dev") or package.get("devOptional")):
                yield "npm", path.rpartition("node_modules/")[2], package["version"], package.get("optional", False)
    else:
        for name, version, marker in REQUIREMENT.findall(lock.read_text()):
            yield "pypi", name.lower(), version, bool(marker)


def bill(name: str, version: str, locks: list[Path]) -> dict[str, Any]:
    """Return the bill of materials of a program with the packages of these lock files."""
    found = sorted({package for lock in locks for package in packages(lock)})
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": name, "version": version}},
        "components": [
            {
                "type": "library",
                "bom-ref": f"{kind}:{package}@{number}",
                "name": package,
                "version": number,
                "purl": f"pkg:{kind}/{quote(package)}@{number}",
                "scope": "optional" if some else "required",
            }
            for kind, package, number, some in found
        ],
    }


if __name__ == "__main__":
    name, version, *locks = sys.argv[1:]
    json.dump(bill(name, version, [Path(lock) for lock in locks]), sys.stdout, indent=1)
