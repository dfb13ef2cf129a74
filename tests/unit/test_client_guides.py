"""The guides for client developers hold the present snippets and tables, and their pages are made of them."""

import json
import re
from pathlib import Path

import pytest

from gateway.dev.client_guides import ADVICE, DOCUMENTS, GUIDES, PAGES, page, page_name, updated
from gateway.errors import Code

FENCES = re.compile(r"(?:<!-- include: (\S+) -->\n\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ONLY_SHOWN = {"sh", "text", ""}  # commands and pictures


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_includes_is_as_it_is_now(document: Path) -> None:
    text = document.read_text()
    assert updated(text) == text, "run python -m gateway.dev.client_guides"


def test_a_stale_include_is_noticed() -> None:
    stale = "<!-- include: snippets/readme.mjs -->\n\n```js\nold();\n```\n\nmore"
    assert "old();" not in updated(stale)
    assert updated(stale).endswith("```\n\nmore")
    assert updated(updated(stale)) == updated(stale)


def test_every_page_is_made_of_its_guide() -> None:
    guides = {page_name(guide): guide for guide in GUIDES.glob("*.md")}
    assert set(guides) == {made.name for made in PAGES.iterdir()}
    for name, guide in guides.items():
        assert (PAGES / name).read_text() == page(guide), "run python -m gateway.dev.client_guides"


def test_a_page_lists_every_guide_once() -> None:
    contents = page(GUIDES / "chat.md").partition('id="contents"')[2].partition("</nav>")[0]
    addresses = re.findall(r'href="/api/docs/guide/([^"]*)"', contents)
    assert sorted(addresses) == sorted("" if guide.stem == "README" else guide.stem for guide in GUIDES.glob("*.md"))


def test_every_block_of_code_is_a_snippet_that_is_run() -> None:
    included = set()
    for document in DOCUMENTS:
        for name, language, body in FENCES.findall(document.read_text()):
            if language == "json":
                json.loads(body)
            elif language not in ONLY_SHOWN:
                assert name, f"{document.name}: this block is no file that is run: {body[:60]}"
            if name:
                included.add(name.removeprefix("snippets/"))
    assert included == {file.name for file in (GUIDES / "snippets").iterdir()}


def test_every_code_has_an_advice() -> None:
    assert set(ADVICE) == set(Code)
