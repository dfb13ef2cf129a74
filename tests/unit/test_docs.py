"""What the documents say of the tests is so."""

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
NAMED = re.compile(r"`(test_\w+\.py)::(\w+)`")


def test_every_test_that_the_security_document_names_exists() -> None:
    named = NAMED.findall((TESTS.parent / "docs" / "security.md").read_text())
    assert len(named) > 50
    there = {
        (path.name, test)
        for tier in ("unit", "integration", "cluster", "browser")
        for path in TESTS.joinpath(tier).rglob("test_*.py")
        for test in re.findall(r"def (test_\w+)\(", path.read_text())
    }
    assert set(named) - there == set()
