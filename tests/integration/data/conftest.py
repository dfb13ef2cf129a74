"""What the tests of `dorami db` hold in their hands: databases as targets, and the command line."""

from collections.abc import Callable

import pytest

from gateway.data.target import Target
from gateway.postgres.databases import MAIN
from gateway.settings import DEVELOPMENT_SECRET
from tests.support import make_settings


@pytest.fixture
def target(database_url: str) -> Target:
    """Return this test's own database, migrated and empty, in the form that commands take."""
    return Target(MAIN, make_settings(database_url=database_url))


@pytest.fixture
def environment(database_url: str) -> Callable[..., dict[str, str]]:
    """Return a factory of environments for commands on this test's database, with overrides."""

    def make(**overrides: str) -> dict[str, str]:
        return {
            "APP_ENV": "development",
            "RDS_MAIN_URL": database_url,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "JWT_SECRET": DEVELOPMENT_SECRET,
            **overrides,
        }

    return make
