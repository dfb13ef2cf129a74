"""A Redis that may evict: it is said at the start, by `dorami check` and in the metrics."""

import structlog.testing

from gateway.dev.servers import RedisProcess
from gateway.metrics import Metrics
from gateway.redis.client import RedisClient
from tests.support import make_settings


async def test_another_policy_than_noeviction_is_logged(own_redis: RedisProcess) -> None:
    metrics = Metrics()
    redis = RedisClient(make_settings(redis_url=own_redis.url), metrics)
    with structlog.testing.capture_logs() as logs:
        await redis.open()
        assert logs == []
        assert await redis.evicting() == []
        await redis.client.config_set("maxmemory-policy", "allkeys-lru")
        await redis.open()
    assert [(entry["log_level"], entry["policies"]) for entry in logs] == [("warning", ["allkeys-lru"])]
    assert metrics.registry.get_sample_value("dorami_redis_eviction_policy", {"policy": "allkeys-lru"}) == 1
    await redis.close()
