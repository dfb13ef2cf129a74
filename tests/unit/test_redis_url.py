"""Which Redis a URL means; nothing is connected."""

import pytest
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from gateway.connections.redis import Redis
from gateway.metrics import Metrics
from gateway.settings import SettingsError
from tests.support import make_settings


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://:secret@cache:6380/3", Connection),
        ("rediss://cache", SSLConnection),
        ("unix:///run/redis.sock?db=3", UnixDomainSocketConnection),
    ],
)
def test_the_forms_that_are_served(url: str, kind: type) -> None:
    connection = Redis(make_settings(redis_url=url), Metrics()).connection()
    assert type(connection) is kind


@pytest.mark.parametrize("url", ["redis-sentinel://:secret@one:26379,two:26379/main", "redis-cluster://:secret@one:6379"])
def test_other_forms_stop_the_start_in_one_line_without_the_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Redis(make_settings(redis_url=url), Metrics())
    assert caught.value.lines == ["REDIS_URL: only redis://, rediss:// and unix:// can be served from"]
    assert "secret" not in repr(caught.value)
