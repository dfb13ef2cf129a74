"""`/streams/{key}/featured-product`: what a stream shows first; its host and admins say so."""

from typing import Protocol

from gateway.http.routes import KEY, WRITES, Call, Route
from gateway.protocol.catalog import FeaturedProduct, FeatureProduct
from gateway.security.principal import HOSTS, Principal


class FeaturedService(Protocol):
    """The featured products. Raises NotFound, Forbidden for a host who does not own the stream, Unavailable."""

    async def put(self, principal: Principal, stream_key: str, product_id: str) -> FeaturedProduct: ...
    async def remove(self, principal: Principal, stream_key: str) -> None: ...


class Featured:
    """The routes of the featured product."""

    def __init__(self, featured: FeaturedService) -> None:
        self._featured = featured

    def routes(self) -> list[Route]:
        """The table."""
        path = f"/streams/{KEY}/featured-product"
        return [
            Route("PUT", path, self.put, body=FeatureProduct, answer=FeaturedProduct, who=HOSTS, limit=WRITES),
            Route("DELETE", path, self.remove, who=HOSTS, limit=WRITES),
        ]

    async def put(self, call: Call[FeatureProduct, None]) -> FeaturedProduct:
        """Show a product of the stream first."""
        return await self._featured.put(call.principal, call.path("key"), call.body.product_id)

    async def remove(self, call: Call[None, None]) -> None:
        """Show no product first."""
        await self._featured.remove(call.principal, call.path("key"))
