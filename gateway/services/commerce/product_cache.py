"""Caches single products in Redis. Each change writes it. Used by product_list.py and after publications."""

from collections.abc import Sequence

from gateway.metrics import Metrics
from gateway.protocol import events
from gateway.protocol.payloads import catalog
from gateway.protocol.payloads.catalog import ProductDeleted
from gateway.protocol.wire import Typed
from gateway.redis.cache import Cache
from gateway.redis.client import RedisClient
from gateway.services.rooms.outbox import PlacedEvent

LIFETIME = 30.0  # s for which an entry can be outdated, if a node dies between a commit and writing the cache
DELETED = 2**31  # the version of a deleted product, above all versions of products


class ProductCache(Cache[catalog.Product | None]):
    """Products by id; None for one that was deleted."""

    def __init__(self, redis: RedisClient, metrics: Metrics) -> None:
        super().__init__(redis, metrics, "cards", catalog.Product | None, LIFETIME, _version)

    async def update(self, placed: Sequence[PlacedEvent]) -> None:
        """Write the newest version of each product in published events to the cache. Never raises."""
        newest: dict[str, tuple[catalog.Product | None, int]] = {}
        for (_, event, payload), _ in placed:
            if event not in (events.PRODUCT_ADDED, events.PRODUCT_UPDATED, events.PRODUCT_DELETED):
                continue
            product = payload.data if isinstance(payload, Typed) else None
            if isinstance(product, catalog.Product):
                newest[product.id] = product, product.version
            elif isinstance(product, ProductDeleted):
                newest[product.product_id] = None, DELETED
        for product_id, (product, version) in newest.items():
            await self.write(product_id, product, version)


def _version(product: catalog.Product | None) -> int:
    return product.version if product else 0  # an unknown product may be added later
