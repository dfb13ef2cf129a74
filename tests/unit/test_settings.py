"""Settings: every mistake is one clear line, all of them at once, and no secret is ever shown."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.settings import DEVELOPMENT_SECRET, Settings, SettingsError, load

SECRET = "a secret of more than thirty-two characters"
RIGHT = {
    "APP_ENV": "production",
    "DATABASE_URL": "postgresql://dorami:hunter2@db/dorami",
    "REDIS_URL": "redis://:hunter3@redis:6379/0",
    "JWT_SECRET": SECRET,
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Return the environment of a right production node, and of nothing else."""
    for name in [*Settings.model_fields, "app_env", "node_env", "database_url"]:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def lines() -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load()
    return caught.value.lines


def test_a_valid_environment_is_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("JWT_EXPIRATION", "90m")
    environment.setenv("CHAT_RATE_LIMIT", "5/30 seconds")
    environment.setenv("CORS_ORIGINS", "https://shop.example/, https://admin.example:443,http://[::1]:8080")
    settings = load()
    assert settings.production
    assert settings.port == 3001
    assert settings.jwt_expiration == timedelta(minutes=90)
    assert settings.chat_rate_limit == (5, 30.0)
    assert settings.cors_origins == ("https://shop.example", "https://admin.example", "http://[::1]:8080")


def test_pictures_come_from_https_in_production(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("IMAGE_ORIGINS", "https://images.shop.example, *")
    assert load().image_origins == ("https://images.shop.example", "*")
    environment.setenv("IMAGE_ORIGINS", "http://images.shop.example")
    assert [line.partition(":")[0] for line in lines()] == ["IMAGE_ORIGINS"]
    environment.setenv("APP_ENV", "development")
    assert load().image_origins == ("http://images.shop.example",)


def test_the_defaults_are_those_of_the_contract(environment: pytest.MonkeyPatch) -> None:
    settings = load()
    assert (settings.ping_interval, settings.ping_timeout) == (timedelta(seconds=25), timedelta(seconds=60))
    assert (settings.connect_timeout, settings.recovery_window) == (timedelta(seconds=10), timedelta(minutes=2))
    assert (settings.max_packet_size, settings.max_poll_packets) == (65_536, 256)
    assert (settings.jwt_expiration, settings.jwt_refresh_expiration) == (timedelta(minutes=15), timedelta(days=7))
    assert (settings.chat_rate_limit, settings.http_rate_limit) == ((20, 10), (10, 60))
    assert {settings.event_rate_limit, settings.join_rate_limit, settings.refused_rate_limit} == {(100, 10)}
    assert (settings.room_window, settings.chat_display_rate) == (timedelta(milliseconds=100), 50)
    assert (settings.stream_end_grace, settings.stream_reopen) == (timedelta(seconds=30), timedelta(minutes=30))
    assert (settings.order_ttl, settings.currency) == (timedelta(minutes=15), "KRW")
    assert settings.ban_matches_network is False


def test_the_main_database_has_two_names(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RDS_MAIN_URL", RIGHT["DATABASE_URL"])
    assert load().rds_main_url.get_secret_value() == RIGHT["DATABASE_URL"]
    environment.setenv("RDS_MAIN_URL", "postgresql://elsewhere/dorami")
    assert lines() == ["RDS_MAIN_URL: differs from DATABASE_URL, its other name; set one of them"]
    environment.delenv("DATABASE_URL")
    assert load().rds_main_url.get_secret_value() == "postgresql://elsewhere/dorami"
    environment.setenv("RDS_MAIN_URL", "")
    assert lines() == ["RDS_MAIN_URL: is required"]
    environment.setenv("DATABASE_URL", "nonsense")
    assert lines() == ["DATABASE_URL: not a URL of the form postgres://host:port/name"]


def test_statements_time_out_within_two_seconds(environment: pytest.MonkeyPatch) -> None:
    assert load().database_timeout <= timedelta(seconds=1.9)


@pytest.mark.parametrize(
    ("http", "guests", "allowed"),
    [
        ("", "", (100, 3600.0)),
        ("100/10 seconds", "", (6_000, 3600.0)),
        ("1/hour", "", (1, 3600.0)),
        ("100/10 seconds", "3/minute", (3, 60.0)),
    ],
)
def test_new_guests_are_limited_as_requests_are(
    environment: pytest.MonkeyPatch, http: str, guests: str, allowed: tuple[int, float]
) -> None:
    environment.setenv("HTTP_RATE_LIMIT", http)
    environment.setenv("GUEST_RATE_LIMIT", guests)
    assert load().new_guests == allowed


def test_a_drain_has_time_to_end(environment: pytest.MonkeyPatch) -> None:
    settings = load()
    assert (settings.drain_delay, settings.drain_spread) == (timedelta(seconds=3), timedelta(seconds=10))
    assert settings.shutdown_timeout == timedelta(seconds=25)
    environment.setenv("DRAIN_SPREAD", "17s")
    assert load().drain_spread == timedelta(seconds=17)
    environment.setenv("DRAIN_SPREAD", "18s")
    assert lines() == ["SHUTDOWN_TIMEOUT: must be 26 s: DRAIN_DELAY, DRAIN_SPREAD and 5 s to close"]
    environment.setenv("DRAIN_SPREAD", "0")
    environment.setenv("DRAIN_DELAY", "0s")
    environment.setenv("SHUTDOWN_TIMEOUT", "5s")
    assert load().drain_delay == load().drain_spread == timedelta(0)
    environment.setenv("DRAIN_DELAY", "soon")
    assert lines() == ['DRAIN_DELAY: not a duration; write it like "15m", "7d", "30s" or "500ms"']


def test_an_empty_variable_is_not_set(environment: pytest.MonkeyPatch) -> None:
    for name in ("METRICS_PORT", "METRICS_TOKEN", "MEDIA_FOLDER", "JWT_PRIVATE_KEY", "MEDIA_WEBHOOK_SECRET", "NODE_ID"):
        environment.setenv(name, "")
    settings = load()
    assert (settings.metrics_port, settings.metrics_token, settings.media_folder) == (None, None, None)
    assert (settings.jwt_private_key, settings.media_webhook_secret, settings.node_id) == (None, None, None)
    environment.setenv("JWT_SECRET", "")
    assert lines() == ["JWT_SECRET: is required"]


def test_the_default_environment_is_production(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("APP_ENV")
    assert load().production
    environment.setenv("NODE_ENV", "development")
    assert not load().production
    environment.setenv("APP_ENV", "production")
    assert load().production, "APP_ENV counts more than NODE_ENV"


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("DATABASE_URL", None, "RDS_MAIN_URL: is required"),
        ("REDIS_URL", None, "REDIS_URL: is required"),
        ("JWT_SECRET", None, "JWT_SECRET: is required"),
        ("DATABASE_URL", "mysql://db/x", "DATABASE_URL: not a URL of the form postgres://host:port/name"),
        ("REDIS_URL", "6379", "REDIS_URL: not a URL of the form redis://host:port/name"),
        ("JWT_SECRET", "short", "JWT_SECRET: 5 characters are too short, at least 32 are needed"),
        ("JWT_SECRET", DEVELOPMENT_SECRET, "JWT_SECRET: the development secret is public, production needs its own"),
        (
            "JWT_PREVIOUS_SECRETS",
            f"{SECRET},x",
            "JWT_PREVIOUS_SECRETS: one is too short, each needs at least 32 characters",
        ),
        ("JWT_PREVIOUS_SECRETS", DEVELOPMENT_SECRET, "JWT_PREVIOUS_SECRETS: the development secret is public"),
        ("JWT_EXPIRATION", "soon", 'JWT_EXPIRATION: not a duration; write it like "15m", "7d", "30s" or "500ms"'),
        ("JWT_EXPIRATION", "0s", "JWT_EXPIRATION: a duration must be longer than nothing"),
        ("JWT_EXPIRATION", "99999999999999d", "JWT_EXPIRATION: a duration may be 3650d at the most"),
        ("JWT_EXPIRATION", f"{'9' * 400}s", "JWT_EXPIRATION: a duration may be 3650d at the most"),
        (
            "HTTP_RATE_LIMIT",
            "10/0 minutes",
            'HTTP_RATE_LIMIT: not a rate; write it like "10/minute" or "100/10 seconds"',
        ),
        ("HTTP_RATE_LIMIT", "0/minute", 'HTTP_RATE_LIMIT: not a rate; write it like "10/minute" or "100/10 seconds"'),
        ("CORS_ORIGINS", "*", 'CORS_ORIGINS: "*" lets every web site act for your users, list the exact origins'),
        (
            "CORS_ORIGINS",
            "shop.example",
            'CORS_ORIGINS: "shop.example" is not an origin; write it like "https://shop.example"',
        ),
        (
            "CORS_ORIGINS",
            "https://shop.example?a=1",
            'CORS_ORIGINS: "https://shop.example?a=1" is not an origin; write it like "https://shop.example"',
        ),
        ("NODE_ID", "node}1", "NODE_ID: string should match pattern '^[\\w.-]{1,64}$'"),
        ("CSRF_ENABLED", "false", "CSRF_ENABLED: can be switched off only outside production"),
        ("SHOP_PAGE", "true", "SHOP_PAGE: the shop page exists only outside production"),
        ("PORT", "99999", "PORT: input should be less than or equal to 65535"),
        ("TRUSTED_PROXIES", "10.0.0/8", "TRUSTED_PROXIES: '10.0.0/8' does not appear to be an IPv4 or IPv6 network"),
    ],
)
def test_each_mistake_is_one_line(environment: pytest.MonkeyPatch, name: str, value: str | None, line: str) -> None:
    if value is None:
        environment.delenv(name)
    else:
        environment.setenv(name, value)
    assert lines() == [line]


def test_all_mistakes_are_reported_together(environment: pytest.MonkeyPatch) -> None:
    for name, value in {
        "APP_ENV": "staging",
        "DATABASE_URL": "db",
        "JWT_SECRET": "short",
        "CORS_ORIGINS": "*",
        "PING_INTERVAL": "often",
    }.items():
        environment.setenv(name, value)
    environment.delenv("REDIS_URL")
    result = [line.partition(":")[0] for line in lines()]
    assert result == ["APP_ENV", "DATABASE_URL", "REDIS_URL", "JWT_SECRET", "CORS_ORIGINS", "PING_INTERVAL"]


def test_development_allows_what_production_refuses(environment: pytest.MonkeyPatch) -> None:
    for name, value in {
        "APP_ENV": "development",
        "JWT_SECRET": DEVELOPMENT_SECRET,
        "CORS_ORIGINS": "*",
        "CSRF_ENABLED": "false",
        "SHOP_PAGE": "true",
    }.items():
        environment.setenv(name, value)
    assert load().serves_shop


def test_the_former_name_of_the_shop_page_is_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("APP_ENV", "development")
    environment.setenv("DEMO_PAGE", "false")
    assert not load().serves_shop


@pytest.mark.parametrize(
    "overrides",
    [{}, {"jwt_secret": "hunter4"}, {"database_url": "mysql://dorami:hunter2@db/dorami"}, {"metrics_token": "hunter5"}],
)
def test_no_secret_is_shown(environment: pytest.MonkeyPatch, overrides: dict[str, Any]) -> None:
    environment.setenv("JWT_PREVIOUS_SECRETS", f"previous {SECRET}")
    try:
        shown = repr(load(**overrides))
    except SettingsError as error:
        shown = repr(error) + str(error) + repr(error.__cause__)
    assert "hunter" not in shown
    assert SECRET not in shown
