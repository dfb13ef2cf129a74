"""The registry of databases: names, folders and settings that belong together."""

import pytest

from gateway.postgres.configuration import configuration
from gateway.postgres.databases import ANALYTICS, DATABASES, MAIN, configured, find
from gateway.settings import SettingsError
from tests.support import make_settings


def test_every_database_has_a_setting_and_folders() -> None:
    settings = make_settings()
    for spec in DATABASES:
        assert find(spec.name) is spec
        assert hasattr(settings, spec.variable.lower())
        assert (spec.migrations / "__init__.py").is_file()


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"^there is no database orders \(there are: main, analytics\)$"):
        find("orders")


def test_a_database_without_an_url_is_not_configured() -> None:
    settings = make_settings()
    assert configured(settings) == [MAIN]
    assert not ANALYTICS.configured(settings)
    with pytest.raises(SettingsError, match=r"^RDS_ANALYTICS_URL: is required for analytics$"):
        ANALYTICS.url(settings)
    both = make_settings(rds_analytics_url="postgresql://dorami:hunter2@db/analytics")
    assert configured(both) == [MAIN, ANALYTICS]
    assert "hunter2" not in repr(both)


def test_each_database_has_a_configuration_of_its_own() -> None:
    settings = make_settings(rds_analytics_url="postgresql://db/analytics")
    for spec in DATABASES:
        made = configuration(settings, spec)
        assert list(made["connections"]) == [spec.name]
        assert list(made["apps"]) == [spec.label]
        assert made["apps"][spec.label]["default_connection"] == spec.name
        assert all(module.startswith(f"models.{spec.name}.") for module in made["apps"][spec.label]["models"])
