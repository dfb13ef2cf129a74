"""`/streams/{key}/featured-product`: the product that a stream shows first, set by its host and by administrators."""

from gateway.http.routes import KEY, WRITES, Call, Route
from gateway.protocol.payloads.catalog import FeaturedProduct, FeatureProduct
from gateway.security.principal import HOSTS
from gateway.services.commerce.featured import Featured as FeaturedService


class Featured:
    """The routes of the featured product."""

    def __init__(self, featured: FeaturedService) -> None:
        self._featured = featured

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        path = f"/streams/{KEY}/featured-product"
        return [
            Route("PUT", path, self.put, body=FeatureProduct, answer=FeaturedProduct, who=HOSTS, limit=WRITES),
            Route("DELETE", path, self.remove, who=HOSTS, limit=WRITES),
        ]

    async def put(self, call: Call[FeatureProduct, None]) -> FeaturedProduct:
        """Feature a product of the stream."""
        return await self._featured.put(call.principal, call.path("key"), call.body.product_id)

    async def remove(self, call: Call[None, None]) -> None:
        """Remove the featured product."""
        await self._featured.remove(call.principal, call.path("key"))
