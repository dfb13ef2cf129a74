"""The Lua scripts: files beside their callers, whole once their includes are in, and none in a Python string."""

import re
from pathlib import Path

import pytest

import gateway
from gateway.redis.scripts import INCLUDE, lua

ROOT = Path(gateway.__file__).parent
SCRIPTS = sorted(ROOT.rglob("*.lua"))
CALLED = re.compile(r'redis\.script\(__package__, "(\w+)"\)|self\.script\(__package__, "(\w+)"\)')


def package(folder: Path) -> str:
    return ".".join(("gateway", *folder.relative_to(ROOT).parts))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_contain_their_includes(path: Path) -> None:
    text = lua(package(path.parent), path.stem)
    assert INCLUDE not in text
    defined = set(re.findall(r"local function (\w+)", text))
    helpers = {
        name for file in path.parent.glob("*.lua") for name in re.findall(r"local function (\w+)", file.read_text())
    }
    for helper in helpers - defined:
        assert not re.search(rf"\b{helper}\(", text), f"{helper} is called and not included"


def test_every_lua_file_is_used() -> None:
    called, included = set(), set()
    for file in ROOT.rglob("*.py"):
        assert "redis.call" not in file.read_text(), f"{file} has a script in a string"
        for names in CALLED.findall(file.read_text()):
            called.add(file.parent / f"{names[0] or names[1]}.lua")
    for path in SCRIPTS:
        for name in re.findall(rf"^{INCLUDE}(\w+)$", path.read_text(), re.MULTILINE):
            included.add(path.parent / f"{name}.lua")
    assert called | included == set(SCRIPTS)
