"""The memory and cores that this process may use, and how its Python was built. Read at start and by the metrics."""

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

CGROUP = Path("/proc/self/cgroup")  # Linux
TREE = Path("/sys/fs/cgroup")


def memory_limit(cgroup: Path = CGROUP, tree: Path = TREE) -> int:
    """Return the machine's memory, or the lowest control group limit (v2) of this process, in bytes."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for group in _groups(cgroup, tree):
        limits += _limit(group / "memory.max")
    return min(limits)


def python_build() -> str:
    """Return whether this Python was built with profile-guided optimisation, as text; without it, it is slower."""
    optimised = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    # Debian profiles in a step of its own, and removes the flag that uses the profile from what extensions get.
    debian = bool(sysconfig.get_config_var("PGO_PROF_GEN_FLAG")) and not sysconfig.get_config_var("PGO_PROF_USE_FLAG")
    return "built with optimisations" if optimised or debian else "built without optimisations"


def cores(cgroup: Path = CGROUP, tree: Path = TREE) -> int:
    """Return the cores that this process may use, or its lowest control group quota (v2), rounded up."""
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    for group in _groups(cgroup, tree):
        try:
            quota, period = map(int, (group / "cpu.max").read_text().split())
        except (OSError, ValueError):  # there is no such limit, or it is `max`
            continue
        limits.append(-(-quota // period))
    return max(1, min(limits))


def _groups(cgroup: Path, tree: Path) -> Iterator[Path]:
    """Yield the folders of the control groups (v2) of this process, from the innermost."""
    try:
        lines = cgroup.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("0::/"):
            group = tree / line.removeprefix("0::/")
            while group.is_relative_to(tree):
                yield group
                group = group.parent


def _limit(file: Path) -> list[int]:
    try:
        return [int(file.read_text())]
    except (OSError, ValueError):  # there is no such limit, or it is `max`
        return []
