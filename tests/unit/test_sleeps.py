"""Tests wait for conditions. A pause is the step of a loop, or a comment says why it is there.

A pause outside of a `while` loop either guesses that something has happened by then, which a busy machine proves wrong,
or checks that nothing happens for a while, or is the length of a fault. Only the last two are right.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
FILES = [path for path in sorted(TESTS.rglob("*.py")) if "node_modules" not in path.parts]
SLEEPS = ("asyncio.sleep", "time.sleep")


def unexplained(source: str) -> Iterator[int]:
    """Yield the lines of pauses that are neither in a `while` loop nor explained on their line or the one above."""
    lines = source.splitlines()
    tree = ast.parse(source)
    in_loops = {id(node) for loop in ast.walk(tree) if isinstance(loop, ast.While) for node in ast.walk(loop)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in SLEEPS
            and ast.unparse(node.args[0]) != "0"
            and id(node) not in in_loops
            and not lines[node.lineno - 1].partition("  # ")[2].removeprefix("noqa: ASYNC251").strip()
            and not lines[node.lineno - 2].lstrip().startswith("# ")
        ):
            yield node.lineno


def test_pauses_are_found() -> None:
    source = """
async def test() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0.5)
    await asyncio.sleep(0.5)  # the length of the fault
    # The server closes such a connection after 0.3 s.
    await asyncio.sleep(0.5)
    time.sleep(0.5)  # noqa: ASYNC251
    while not done():
        await asyncio.sleep(0.01)
"""
    assert sorted(unexplained(source)) == [4, 8]


def test_every_pause_outside_of_a_loop_is_explained() -> None:
    found = [f"{path.relative_to(TESTS)}:{line}" for path in FILES for line in sorted(unexplained(path.read_text()))]
    assert found == [], "wait for a condition, or say why nothing else is possible"
