"""tests/scheduling.py: all tests are run once, also when a process dies that runs some of them."""

import os
import subprocess
import sys
from pathlib import Path

from tests.timing import allowed

ROOT = Path(__file__).parents[2]

FILE = """
import os
from pathlib import Path
import pytest
from tests.timing import until_now

RAN = Path({ran!r})

@pytest.mark.parametrize("number", range(4))
def test_each(number):
    if number == {dies_at}:
        until_now(lambda: len(RAN.read_text().splitlines()) >= {after}, within=20)
        os._exit(70)
    with RAN.open("a") as file:
        file.write(f"{{__name__}} {{number}}\\n")
"""
# By file: the test with which its worker dies, and how many tests have been run then: all that the other worker has or
# can get. When the last one dies, the other has been told to end, and one test is left.
DIES_AT = {"c": (1, 14), "e": (1, 16), "f": (2, 20)}
CONFTEST = """
from tests.scheduling import scheduling as pytest_xdist_make_scheduler
"""


def test_a_worker_that_dies_costs_the_test_that_it_ran(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in "abcdef":
        dies_at, after = DIES_AT.get(name, (None, None))
        (tmp_path / f"test_{name}.py").write_text(FILE.format(dies_at=dies_at, after=after, ran=str(ran)))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "--numprocesses=2", "--dist=loadfile", "."],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # a worker starts sooner
        capture_output=True,
        text=True,
        timeout=allowed(60),
    )
    assert "3 failed, 21 passed" in done.stdout, done.stdout
    assert len(ran.read_text().splitlines()) == 21
    for name, (number, _) in DIES_AT.items():
        assert f"crashed while running 'test_{name}.py::test_each[{number}]'" in done.stdout
