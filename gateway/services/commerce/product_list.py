"""Reads products for clients: one, or a page. Called by the HTTP edge."""

from functools import partial
from typing import Annotated

from pydantic import Field

from gateway.errors import NotFound
from gateway.keys import products_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.postgres.search import containing
from gateway.protocol import cursors
from gateway.protocol.payloads import catalog
from gateway.protocol.payloads.catalog import ProductPage
from gateway.protocol.queries import ProductQuery
from gateway.services.commerce.product_cache import ProductCache
from gateway.services.commerce.products import ProductViews, number
from gateway.services.rooms.cache import RoomCache
from gateway.services.rooms.log import RoomLog
from models.main.product import Product

Number = Annotated[int, Field(ge=1, lt=2**63)]  # a product's id in the database


class ProductPageCache(RoomCache[ProductPage]):
    """The first pages of streams' products."""

    def __init__(self, metrics: Metrics, log: RoomLog) -> None:
        super().__init__(metrics, "products", log)


class ProductList:
    """Reads products. Raises Unavailable, and NotFound for an unknown id."""

    def __init__(
        self, database: Database, pages: ProductPageCache, product_cache: ProductCache, views: ProductViews
    ) -> None:
        self._database = database
        self._pages = pages
        self._product_cache = product_cache
        self._views = views

    async def get(self, product_id: str) -> catalog.Product:
        """Return a product, from the cache."""
        product = await self._product_cache.read(str(number(product_id)), partial(self._load, number(product_id)))
        if product is None:
            raise NotFound("There is no such product")
        return product

    async def page(self, request: ProductQuery) -> ProductPage:
        """Return a page of products, newest first. The first page of a stream is cached."""
        if request.stream_key is None or request.search is not None or request.cursor is not None:
            return await self._page(request)
        try:
            room, key = products_room(request.stream_key), f"{request.status or 'all'} {request.limit}"
            return await self._pages.read(room, key, partial(self._page, request))
        except NotFound:
            return ProductPage(items=[], next_cursor=None)

    async def _page(self, request: ProductQuery) -> ProductPage:
        found = Product.all() if request.stream_key is None else Product.filter(stream_id=request.stream_key)
        if request.status is not None:
            found = found.filter(stock=0) if request.status == "SOLD_OUT" else found.filter(stock__gt=0)
        if request.cursor is not None:
            (last,) = cursors.decode(request.cursor, tuple[Number])
            found = found.filter(id__lt=last)
        async with self._database.guard("catalog.page"):
            if request.search is not None:
                listed = await containing(self._database, found, request.search, ("-id",), request.limit + 1)
            else:
                listed = await found.order_by("-id").limit(request.limit + 1)
        items, cursor = cursors.page(listed, request.limit, lambda product: (product.id,))
        return ProductPage(items=[self._views.view(product) for product in items], next_cursor=cursor)

    async def _load(self, product_number: int) -> catalog.Product | None:
        async with self._database.guard("catalog.get"):
            product = await Product.get_or_none(id=product_number)
        return None if product is None else self._views.view(product)
