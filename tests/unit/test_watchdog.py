"""tests/watchdog.py: what does not end is ended."""

import subprocess
import sys

import psutil

from tests.timing import scaled
from tests.watchdog import EXIT_CODE

STUCK = """
import asyncio, subprocess
from tests.watchdog import ends_within

async def stuck():
    while True:
        try:
            await asyncio.sleep(1)
        except BaseException:
            pass

print(subprocess.Popen(["sleep", "1000"]).pid, flush=True)
with ends_within(0.2, "the stuck test", 2):
    asyncio.run(stuck())
"""


def test_a_process_that_goes_on_is_ended_with_its_children_and_says_where_it_was() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=scaled(20))
    assert done.returncode == EXIT_CODE
    assert "the stuck test has not ended after 0.2 s" in done.stderr
    assert "in run" in done.stderr, "the stack of the thread"
    assert "in stuck" in done.stderr, "the stack of the task"
    child = int(done.stdout)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_block_that_ends_in_time_ends_nothing() -> None:
    quick = "from tests.watchdog import ends_within\nwith ends_within(0.1, 'x', 2): pass\nimport time; time.sleep(0.3)"
    assert subprocess.run([sys.executable, "-c", quick], timeout=scaled(20)).returncode == 0
