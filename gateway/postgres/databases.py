"""The registry of databases: the name of each, its models, its migrations and the setting with its URL.

Used by all code that opens, migrates or describes a database. `docs/databases.md` says how another one is added.
"""

import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

import migrations
import models
from gateway.settings import Settings, SettingsError


@dataclass(frozen=True)
class DatabaseSpec:
    """One database. Its name is used in `dorami db -d NAME`, its models' package and its setting RDS_NAME_URL."""

    name: str
    label: str  # of its models in Tortoise and aerich, and of its folder in migrations/

    @property
    def variable(self) -> str:
        """The environment variable that has its URL."""
        return f"RDS_{self.name}_URL".upper()

    @property
    def title(self) -> str:
        """Its name in errors and logs."""
        return "database" if self.name == "main" else f"{self.name} database"

    @property
    def migrations(self) -> Path:
        """The folder of its migrations."""
        return Path(migrations.__path__[0]) / self.label

    def models(self) -> list[str]:
        """Return the modules that have its models."""
        folder = Path(models.__path__[0]) / self.name
        return [f"{models.__name__}.{self.name}.{module.name}" for module in pkgutil.iter_modules([str(folder)])]

    def configured(self, settings: Settings) -> bool:
        """Whether it has a URL in the settings."""
        return self._url(settings) is not None

    def url(self, settings: Settings) -> SecretStr:
        """Return its URL. Raises SettingsError if the settings have none."""
        url = self._url(settings)
        if url is None:
            raise SettingsError([f"{self.variable}: is required for {self.name}"])
        return url

    def direct_url(self, settings: Settings) -> SecretStr | None:
        """Return its URL past PgBouncer, for migrations; None if the settings have none."""
        direct: SecretStr | None = getattr(settings, f"rds_{self.name}_direct_url", None)
        return direct

    def _url(self, settings: Settings) -> SecretStr | None:
        url: SecretStr | None = getattr(settings, self.variable.lower())
        return url


MAIN: Final = DatabaseSpec("main", "models")
ANALYTICS: Final = DatabaseSpec("analytics", "analytics")
DATABASES: Final = (MAIN, ANALYTICS)


def find(name: str, among: Iterable[DatabaseSpec] = DATABASES) -> DatabaseSpec:
    """Return the database of this name. Raises SettingsError, with the known names, if there is none."""
    known = {spec.name: spec for spec in among}
    if name not in known:
        raise SettingsError([f"there is no database {name} (there are: {', '.join(known)})"])
    return known[name]


def configured(settings: Settings) -> list[DatabaseSpec]:
    """Return the databases that have a URL in the settings, the main one first."""
    return [spec for spec in DATABASES if spec.configured(settings)]
