"""tests/scheduling.py: all tests are run once, also when a process dies that runs some of them."""

import os
import subprocess
import sys
from pathlib import Path

from tests.timing import allowed

ROOT = Path(__file__).parents[2]

DIES = """
import os, time
import pytest

@pytest.mark.parametrize("number", range(4))
def test_each(number):
    {before}
    with open({ran!r}, "a") as file:
        file.write(f"{{__name__}} {{number}}\\n")
"""
DIES_AT = {"c": 1, "e": 1, "f": 2}  # what is left of the last file, when the other worker has ended, is one test
CONFTEST = """
from tests.scheduling import scheduling as pytest_xdist_make_scheduler
"""


def test_a_worker_that_dies_costs_the_test_that_it_ran(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in "abcdef":
        before = f"if number == {DIES_AT.get(name)}: time.sleep(1), os._exit(70)"
        (tmp_path / f"test_{name}.py").write_text(DIES.format(before=before, ran=str(ran)))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--numprocesses=2", "--dist=loadfile", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=allowed(40),
    )
    assert "3 failed, 21 passed" in done.stdout, done.stdout
    assert len(ran.read_text().splitlines()) == 21
    for name, number in DIES_AT.items():
        assert f"crashed while running 'test_{name}.py::test_each[{number}]'" in done.stdout
