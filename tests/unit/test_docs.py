"""Compares the documents with the tests, the events and the files that they name."""

import re
from pathlib import Path

from gateway.protocol import events

TESTS = Path(__file__).parent.parent
NAMED = re.compile(r"`(test_\w+\.py)::(\w+)`")
REPOSITORY = "gateway|namespaces|models|migrations|tests|bench|deploy|docs|clients"
NAMED_FILE = re.compile(rf"`((?:{REPOSITORY})/[\w./-]+\.\w+|test_\w+\.py)(?:::(\w+))?`")


def test_every_test_named_in_the_security_document_exists() -> None:
    named = NAMED.findall((TESTS.parent / "docs" / "security.md").read_text())
    assert len(named) > 50
    there = {
        (path.name, test)
        for tier in ("unit", "integration", "cluster", "browser")
        for path in TESTS.joinpath(tier).rglob("test_*.py")
        for test in re.findall(r"def (test_\w+)\(", path.read_text())
    }
    assert set(named) - there == set()


def test_the_protocol_document_lists_all_events() -> None:
    document = (TESTS.parent / "docs" / "clients" / "protocol.md").read_text()
    section = document.partition("## Events\n")[2].partition("\n## ")[0]
    result = {name for row in section.splitlines() if row.startswith("| ") for name in re.findall(r"`([\w:-]+)`", row)}
    assert result == {name for constant, name in vars(events).items() if constant.isupper()}


def test_every_decision_is_in_the_index() -> None:
    folder = TESTS.parent / "docs" / "decisions"
    rows = re.findall(r"^- \[(\d{4})\]\((.+?\.md)\): (.+)$", (folder / "README.md").read_text(), re.MULTILINE)
    records = {path.name: path.read_text().partition("\n")[0] for path in folder.glob("[0-9]*.md")}
    assert dict(sorted((name, f"# {number}: {title}") for number, name, title in rows)) == dict(sorted(records.items()))


def test_files_and_tests_named_in_decisions_exist() -> None:
    root = TESTS.parent
    sources: dict[str, str] = {}  # of tests, by file name; some tiers have files of the same name
    for path in TESTS.rglob("test_*.py"):
        sources[path.name] = sources.get(path.name, "") + path.read_text()
    for record in root.joinpath("docs", "decisions").glob("[0-9]*.md"):
        for name, test in NAMED_FILE.findall(record.read_text()):
            known = root.joinpath(name).is_file() if "/" in name else name in sources
            assert known, f"{record.name} names {name}"
            found = not test or f"def {test}(" in sources[Path(name).name]
            assert found, f"{record.name} names {name}::{test}"


def test_the_terms_of_the_glossary_are_sorted_and_their_files_exist() -> None:
    rows = [row for row in (TESTS.parent / "docs" / "glossary.md").read_text().splitlines() if row.startswith("| ")][2:]
    terms = [row.split(" | ")[0] for row in rows]
    assert terms == sorted(set(terms))
    for row in rows:
        first, *others = re.findall(r"`([^`]+)`", row.rpartition(" | ")[2])
        for name in (first, *others):
            assert (TESTS.parent / name).exists() or (TESTS.parent / first).with_name(name).exists(), row


def test_links_between_documents_resolve() -> None:
    for document in [*TESTS.parent.glob("*.md"), *TESTS.parent.joinpath("docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
