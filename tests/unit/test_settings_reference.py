"""The table of settings and the example are those of the settings."""

import re
from pathlib import Path

import pytest

from gateway.dev import settings_reference
from gateway.settings import Settings, load

MADE = {settings_reference.TABLE: settings_reference.table, settings_reference.EXAMPLE: settings_reference.env_example}


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_the_generated_files_are_current(path: Path) -> None:
    assert path.read_text() == MADE[path](), "run python -m gateway.dev.settings_reference"


def test_every_setting_is_described_under_a_heading() -> None:
    named = [name for _, fields in settings_reference.sections() for name, _ in fields]
    assert sorted(named) == sorted(Settings.model_fields)
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_example_and_every_default_in_it_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for line in settings_reference.env_example().splitlines():
        if found := re.fullmatch(r"(?:# )?([A-Z_]+)=(.*)", line):
            monkeypatch.setenv(found[1], found[2])
    settings = load()
    assert settings.production
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    same = [name for name in defaults if name not in settings_reference.EXAMPLES]
    assert {name: getattr(settings, name) for name in same} == {name: defaults[name] for name in same}
