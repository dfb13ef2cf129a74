"""The Lua scripts: files beside their callers, whole once their includes are in, and none in a Python string."""

import re
from pathlib import Path

import pytest

import gateway
from gateway.redis.scripts import INCLUDE, INCLUDES, lua

ROOT = Path(gateway.__file__).parent
FILES = sorted(ROOT.rglob("*.lua"))
SCRIPTS = [path for path in FILES if path.parent.name != INCLUDES]
CALLED = re.compile(r'redis\.script\(__package__, "(\w+)"\)|self\.script\(__package__, "(\w+)"\)')


def package(folder: Path) -> str:
    return ".".join(("gateway", *folder.relative_to(ROOT).parts))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_contain_their_includes(path: Path) -> None:
    text = lua(package(path.parent), path.stem)
    assert INCLUDE not in text
    defined = set(re.findall(r"local function (\w+)", text))
    helpers = {
        name for file in path.parent.rglob("*.lua") for name in re.findall(r"local function (\w+)", file.read_text())
    }
    for helper in helpers - defined:
        assert not re.search(rf"\b{helper}\(", text), f"{helper} is called and not included"


def test_scripts_are_called_and_the_files_in_includes_are_included() -> None:
    called, included = set(), set()
    for file in ROOT.rglob("*.py"):
        assert "redis.call" not in file.read_text(), f"{file} has a script in a string"
        for names in CALLED.findall(file.read_text()):
            called.add(file.parent / f"{names[0] or names[1]}.lua")
    for path in FILES:
        folder = path.parent if path.parent.name == INCLUDES else path.parent / INCLUDES
        for name in re.findall(rf"^{INCLUDE}(\w+)$", path.read_text(), re.MULTILINE):
            included.add(folder / f"{name}.lua")
    assert called == set(SCRIPTS)
    assert included == set(FILES) - called
