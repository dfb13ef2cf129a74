"""The browser of the machine, for the tests of pages."""

import pytest

from tests.programs import program


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the browser of this machine."""
    return program("chromium", "chromium-browser", "google-chrome")
