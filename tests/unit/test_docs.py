"""What the documents say of the tests and of the events is so."""

import re
from pathlib import Path

from gateway.protocol import events

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


def test_the_events_of_the_protocol_document_are_those_of_the_vocabulary() -> None:
    section = (TESTS.parent / "docs" / "protocol.md").read_text().partition("## Events\n")[2].partition("\n## ")[0]
    told = {name for row in section.splitlines() if row.startswith("| ") for name in re.findall(r"`([\w:-]+)`", row)}
    assert told == {name for constant, name in vars(events).items() if constant.isupper()}
