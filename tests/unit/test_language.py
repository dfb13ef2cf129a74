"""Checks docstrings, comments and documents for turns that readers stumble over.

Ruff checks that docstrings are imperative.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("gateway", "namespaces", "models", "tests", "bench", "clients/python")
FILES = [
    path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")) if "node_modules" not in path.parts
]
DOCUMENTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "clients/*/*.md", "deploy/**/*.md")
    for path in sorted(ROOT.glob(pattern))
]

# Archaic or riddling turns, each with what to write instead.
TURNS = {
    r"\banew\b": "again, or the exact verb: restart, reload, resend",
    r"\bmeanwhile\b": "in between, or during …",
    r"\bwhoever\b": "the subject: the user, the caller, the client",
    r"\b(?:not|nothing|nobody|none)\b[^.:;]* any more\b": "no longer",
    r"\b(?:by|of|for|to) whom\b": "the subject: the recipient, the sender",
    r"\bthose (?:who|that) come\b": "the subject: new clients, later calls",
    r"\bwho (?:is|was) told\b": "the subject and the verb: receives",
    r"\b(?:lest|thus|hence|hitherto|henceforth)\b": "so that … not, so",
    r"\bfor (?:it|they) (?:is|are|was|were|has|have)\b": "because",
    r"(?<!`)\b(?:hears?|heard)\b": "receives, gets; of Redis: answers",
    r"\b(?:is|are|was|were) told (?:of|by|how|what|when|that)\b|\btold of\b": "gets, receives, with the noun",
    r"\bas one would\b|\bone's own\b|\bunless told otherwise\b": "simple; own; by default",
    r"\bin vain\b|\bcomes? together\b": "refused; concurrent",
    r"\bwhat is left of\b": "the remaining …, the rest of",
    r"\bfor want of\b": "because … lacks",
    r"\bin (?:its|their) turn\b|\bof (?:its|their) own accord\b": "nothing, or by itself",
    r"\blearns? (?:of|it)\b|\bis met by\b": "the verb: receives, reads, gets",
    r"\bspeaks? for\b|\bstands? still\b": "the exact verb: publishes, blocks",
    r"\ba (?:ack|empty|entry|error|event|id|offset|old|open|order|own|upgrade)\b": "an",
}


@cache
def prose() -> list[tuple[str, str]]:
    """Return the docstrings and comments of all files, and the lines of documents, each with its place."""
    read = chain(((path, _prose(path.read_text())) for path in FILES), ((path, _lines(path)) for path in DOCUMENTS))
    return [(f"{path.relative_to(ROOT)}:{line}", text) for path, texts in read for line, text in texts]


def _lines(document: Path) -> Iterator[tuple[int, str]]:
    return enumerate(document.read_text().splitlines(), start=1)


def _prose(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield getattr(node, "lineno", 1), docstring
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


@pytest.mark.parametrize("turn", TURNS)
def test_no_docstring_comment_or_document_has_a_riddling_turn(turn: str) -> None:
    pattern = re.compile(turn, re.IGNORECASE)
    found = [f"{place}: {text!r}" for place, text in prose() if pattern.search(text)]
    assert found == [], f"write {TURNS[turn]}"


def test_every_file_begins_with_a_sentence_about_it() -> None:
    described = {place for place, _ in prose() if place.endswith(":1")}
    places = [f"{path.relative_to(ROOT)}:1" for path in FILES if path.read_text().strip()]
    assert [place for place in places if place not in described] == []
