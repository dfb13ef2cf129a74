"""Sets the featured product of a stream, which clients show first. Called by the HTTP edge."""

from gateway.errors import NotFound
from gateway.keys import products_room
from gateway.protocol.payloads.catalog import FeaturedProduct
from gateway.security.principal import Principal
from gateway.services.commerce.products import ProductViews, number
from gateway.services.rooms.outbox import Outbox
from gateway.services.streams.ownership import lock_stream
from models.main.product import Product
from models.main.stream import Stream


class Featured:
    """Sets featured products, for the host and ADMINs. Raises NotFound, Forbidden for other hosts, and Unavailable."""

    def __init__(self, outbox: Outbox, views: ProductViews) -> None:
        self._outbox = outbox
        self._views = views

    async def put(self, principal: Principal, stream_key: str, product_id: str) -> FeaturedProduct:
        """Feature a product of the stream; nothing is published if it is featured already."""
        return await self._feature(principal, stream_key, number(product_id))

    async def remove(self, principal: Principal, stream_key: str) -> None:
        """Remove the featured product."""
        await self._feature(principal, stream_key, None)

    async def _feature(self, principal: Principal, stream_key: str, product_number: int | None) -> FeaturedProduct:
        async with self._outbox.change("featured.put", products_room(stream_key)) as outgoing:
            # Lock the product before the stream, as a deletion does.
            product = None if product_number is None else await _product(stream_key, product_number)
            stream = await lock_stream(principal, stream_key)
            if product_number is not None and product is None:
                raise NotFound("The stream has no such product")
            if stream.featured_product_id != product_number:
                await Stream.filter(key=stream_key).update(featured_product_id=product_number)
                outgoing.append(self._views.featured(stream_key, product))
        shown = None if product is None else self._views.view(product)
        return FeaturedProduct(stream_key=stream_key, product_id=shown.id if shown else None, product=shown)


async def _product(stream_key: str, product_number: int) -> Product | None:
    found = Product.filter(id=product_number, stream_id=stream_key)
    return await found.select_for_update(no_key=True).first()
