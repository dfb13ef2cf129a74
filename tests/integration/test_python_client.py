"""The package `dorami-client` in `clients/python`: its types, and what is published. Its behaviour: tests/cluster."""

import subprocess
import sys
import zipfile
from pathlib import Path

from gateway.dev import client_types

PACKAGE = client_types.CLIENTS / "python"


async def test_typed_dicts_are_those_of_the_documents() -> None:
    """Run `python -m gateway.dev.client_types` after a change of events, payloads or routes, and commit the file."""
    made = client_types.typed_dicts(await client_types.documents())
    assert without_texts(client_types.TYPED_DICTS.read_text()) == without_texts(made)


def without_texts(source: str) -> list[str]:
    """Return the lines of a module without docstrings: a text that reads better changes no type."""
    return [line for line in source.splitlines() if not line.startswith('    """')]


def test_the_wheel_has_types(tmp_path: Path) -> None:
    copy = tmp_path / "source"
    for path in (PACKAGE / "pyproject.toml", PACKAGE / "README.md", *(PACKAGE / "src").rglob("dorami_client/*.*")):
        target = copy / path.relative_to(PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", f"--outdir={tmp_path}", str(copy)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = tmp_path.glob("dorami_client-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        f"dorami_client/{name}" for name in ("__init__.py", "client.py", "errors.py", "protocol.py", "session.py")
    }
    assert modules | {"dorami_client/py.typed"} <= names
