"""Fixtures for the tests of parts of a node: connections to the real servers."""

from collections.abc import AsyncIterator

import pytest

from gateway.metrics import Metrics
from gateway.redis.client import RedisClient
from tests.support import make_settings


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisClient]:
    """Return a connection to this test's own logical database of Redis."""
    connected = RedisClient(make_settings(redis_url=redis_url), Metrics())
    yield connected
    await connected.close()
