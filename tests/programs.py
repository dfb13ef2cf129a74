"""Programs and packages that some tests need and not every machine has. Called by fixtures."""

import importlib
import os
import shutil
from types import ModuleType

import pytest

ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"  # of servers; not on everybody's PATH


def program(*names: str, package: str = "") -> str:
    """Return the path of the first of these programs that the machine has.

    Where it has none the test is skipped, naming Debian's package; in CI (`CI` is set) it fails.
    """
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), ADMIN_PATH))
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    reason = f"there is no {names[0]} on this machine: apt-get install {package or names[0]}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def package(name: str, target: str) -> ModuleType:
    """Import a Python package of a group of its own.

    Where it is missing the test is skipped, naming the target of the Makefile that installs it; in CI it fails.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        reason = f"there is no {name} in this environment: make {target}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
