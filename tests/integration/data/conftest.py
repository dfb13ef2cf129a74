"""Fixtures of the tests of `dorami db`: databases as targets, and environments for commands."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.data.target import Target
from gateway.postgres.databases import MAIN
from gateway.settings import DEVELOPMENT_SECRET
from tests.support import make_settings


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder where commands of all tests keep catalogs, instead of the user's."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is called within the test know no catalog yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def target(database_url: str) -> Target:
    """Return this test's own database, migrated and empty, in the form that commands take."""
    return Target(MAIN, make_settings(database_url=database_url))


@pytest.fixture
def environment(database_url: str, cache_folder: Path) -> Callable[..., dict[str, str]]:
    """Return a factory of environments for commands on this test's database, with overrides."""

    def make(**overrides: str) -> dict[str, str]:
        return {
            "APP_ENV": "development",
            "RDS_MAIN_URL": database_url,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "JWT_SECRET": DEVELOPMENT_SECRET,
            "XDG_CACHE_HOME": str(cache_folder),
            **overrides,
        }

    return make
