"""The translations of the console: none that nothing uses. TypeScript finds those that are missing."""

import re
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "clients" / "console" / "src"
WORDS = sorted((SOURCES / "words").glob("*.ts"))
HOOK = re.compile(r"export const (use\w+) = words\(\s*\"(\w+)\"")
KEY = re.compile(r"^    (\w+):", re.MULTILINE)
PLURAL = re.compile(r"_(?:one|other)$")


def keys(file: Path) -> set[str]:
    """Return the keys of a file of words, plurals once."""
    return {PLURAL.sub("", key) for key in KEY.findall(file.read_text())}


def made(sources: str) -> list[re.Pattern[str]]:
    """Return patterns of the keys that sources put together, such as `${action}_action`."""
    templates = re.findall(r"`((?:\$\{\w+\}|\w+)*\$\{\w+\}(?:\$\{\w+\}|\w+)*)`", sources)
    return [re.compile(re.sub(r"\$\{\w+\}", r"\\w+", each)) for each in templates if re.sub(r"\$\{\w+\}", "", each)]


@pytest.mark.parametrize("file", WORDS, ids=lambda file: file.stem)
def test_every_translation_is_used(file: Path) -> None:
    found = HOOK.search(file.read_text())
    assert found, "words() is called with the name of the file"
    hook, _ = found.groups()
    sources = [each for each in SOURCES.rglob("*.ts*") if each != file]
    users = "\n".join(text for each in sources if hook in (text := each.read_text()))
    patterns = made(users)
    # Words of codes and states are asked for by their values, which the client package lists.
    client = SOURCES.parents[1] / "js" / "src"
    values = set(re.findall(r'"(\w+)"', (client / "protocol.ts").read_text() + (client / "errors.ts").read_text()))
    unused = {
        key
        for key in keys(file)
        if not re.search(rf'"{key}"|\b{key}:', users)
        and key not in values
        and not any(pattern.fullmatch(key) for pattern in patterns)
    }
    assert unused == set()


def test_both_languages_have_the_same_keys() -> None:
    for file in WORDS:
        text = file.read_text()
        english, korean = text[: text.rindex("\n  {\n")], text[text.rindex("\n  {\n") :]
        singular = {key for key in KEY.findall(english) if not key.endswith("_one")}
        assert singular == set(KEY.findall(korean)), file.name
