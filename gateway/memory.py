"""How much memory this process may use. Asked at every scrape, by the metrics."""

import os
from pathlib import Path

CGROUP = Path("/proc/self/cgroup")  # Linux
TREE = Path("/sys/fs/cgroup")


def memory_limit(cgroup: Path = CGROUP, tree: Path = TREE) -> int:
    """Return the machine's memory, or the least control group limit (v2) of this process, in bytes."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    try:
        lines = cgroup.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("0::/"):
            group = tree / line.removeprefix("0::/")
            while group.is_relative_to(tree):
                limits += _limit(group / "memory.max")
                group = group.parent
    return min(limits)


def _limit(file: Path) -> list[int]:
    try:
        return [int(file.read_text())]
    except (OSError, ValueError):  # there is no such limit, or it is `max`
        return []
