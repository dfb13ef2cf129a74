"""Docstrings of modules: there is one in each, and the files that docstrings name exist."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for name in ("gateway", "models", "namespaces") for path in (ROOT / name).rglob("*.py"))
FILE = re.compile(r"(?<![\w./*…-])((?:[\w.-]+/)*[\w-]+\.(?:py|lua|sql))(?![\w/])")
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tails() -> Counter[str]:
    """Return how many files of the project end with each path, such as `client.py` and `redis/client.py`."""
    folders = ("gateway", "models", "namespaces", "migrations", "clients/python/src", "tests/unit", "tests/cluster")
    endings = {".py", ".lua", ".sql"}
    files = [path for name in folders for path in (ROOT / name).rglob("*.*") if path.suffix in endings]
    parts = [path.relative_to(ROOT).parts for path in files]
    return Counter("/".join(whole[first:]) for whole in parts for first in range(len(whole)))


def test_each_module_says_what_it_contains() -> None:
    assert [str(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))] == []


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in MODULES}), ids=lambda path: str(path.relative_to(ROOT))
)
def test_files_that_docstrings_name_exist(folder: Path) -> None:
    """A name means the file in the same folder, or else the only file of that name."""
    named = {
        (path.name, name)
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, DOCUMENTED)
        for name in FILE.findall(ast.get_docstring(node) or "")
    }
    assert {(module, name) for module, name in named if not (folder / name).exists() and tails()[name] != 1} == set()
