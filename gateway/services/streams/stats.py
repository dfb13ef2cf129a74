"""Live numbers of a stream, for its staff. Called by the HTTP edge and by the delivery of `stream:stats`."""

from functools import partial
from typing import Any

from gateway.clocks import now
from gateway.errors import UnknownStream
from gateway.keys import viewers_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.streaming import HostedStats, StreamStats
from gateway.realtime.presence.presence import Presence
from gateway.redis.cache import Cache
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal
from gateway.services.rooms.hosting import scope_of
from gateway.services.rooms.places import SKEW

LIFETIME = 4.0  # s, less than the pause between two deliveries

# Messages have no index by time: `message_place` finds the first place that may be younger than a minute.
STATS = """
    WITH sold AS (
        SELECT count(DISTINCT i.order_id)::int AS orders, coalesce(sum(i.price * i.quantity), 0) AS revenue
        FROM order_items i JOIN orders o ON o.id = i.order_id JOIN streams s ON s.key = i.stream_key
        WHERE i.stream_key = $1 AND o.status IN ('PENDING', 'PAID')
            AND o.created_at >= coalesce(s.started_at, '-infinity')
    )
    SELECT s.host_id::text AS host_id, sold.orders, sold.revenue, (
        SELECT count(*)::int FROM messages m WHERE m.stream_key = $1 AND m.deleted_at IS NULL
            AND m.seq >= (SELECT message_place($1, clock_timestamp() - interval '1 minute' - $2::interval))
            AND m.created_at > clock_timestamp() - interval '1 minute'
    ) AS messages_per_minute, (
        SELECT count(*)::int FROM orders o WHERE o.created_at > clock_timestamp() - interval '1 minute'
            AND EXISTS (SELECT FROM order_items i WHERE i.order_id = o.id AND i.stream_key = $1)
    ) AS orders_per_minute
    FROM streams s CROSS JOIN sold WHERE s.key = $1
"""


class StatsCache(Cache[HostedStats]):
    """The numbers of streams, shared by all nodes."""

    def __init__(self, redis: RedisClient, metrics: Metrics) -> None:
        super().__init__(redis, metrics, "stats", HostedStats, LIFETIME)


class Stats:
    """Reads numbers of streams. Raises NotFound for an unknown stream, and Unavailable."""

    def __init__(self, database: Database, presence: Presence, cache: StatsCache) -> None:
        self._database = database
        self._presence = presence
        self._cache = cache

    async def get(self, principal: Principal, key: str) -> StreamStats:
        """Return the numbers of a stream. Raises Forbidden unless the caller is its staff."""
        async with self._database.guard("stats.scope"):
            await scope_of(self._database, principal, key)
        return (await self.read(key)).stats

    async def read(self, key: str) -> HostedStats:
        """Return the numbers of a stream, at most LIFETIME old, with its host."""
        return await self._cache.read(key, partial(self._load, key))

    async def _load(self, key: str) -> HostedStats:
        async with self._database.guard("stats.read"):
            rows: list[dict[str, Any]] = await self._database.query(STATS, key, SKEW)
        if not rows:
            raise UnknownStream
        census = await self._presence.census(viewers_room(key))
        numbers = {name: value for name, value in rows[0].items() if name != "host_id"}
        stats = StreamStats(stream_key=key, viewers=census.count, at=now(), **numbers)
        return HostedStats(host_id=rows[0]["host_id"], stats=stats)
