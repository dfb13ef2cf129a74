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

    async def page(self, ask: ProductQuery) -> ProductPage:
        """Return a page of products, newest first. The first page of a stream is cached."""
        if ask.stream_key is None or ask.search is not None or ask.cursor is not None:
            return await self._page(ask)
        try:
            room, key = products_room(ask.stream_key), f"{ask.status or 'all'} {ask.limit}"
            return await self._pages.read(room, key, partial(self._page, ask))
        except NotFound:
            return ProductPage(items=[], next_cursor=None)

    async def _page(self, ask: ProductQuery) -> ProductPage:
        found = Product.all() if ask.stream_key is None else Product.filter(stream_id=ask.stream_key)
        if ask.status is not None:
            found = found.filter(stock=0) if ask.status == "SOLD_OUT" else found.filter(stock__gt=0)
        if ask.cursor is not None:
            (last,) = cursors.decode(ask.cursor, tuple[Number])
            found = found.filter(id__lt=last)
        async with self._database.guard("catalog.page"):
            if ask.search is not None:
                listed = await containing(self._database, found, ask.search, ("-id",), ask.limit + 1)
            else:
                listed = await found.order_by("-id").limit(ask.limit + 1)
        items, more = listed[: ask.limit], len(listed) > ask.limit
        return ProductPage(
            items=[self._views.view(product) for product in items],
            next_cursor=cursors.encode((items[-1].id,)) if more else None,
        )

    async def _load(self, product_number: int) -> catalog.Product | None:
        async with self._database.guard("catalog.get"):
            product = await Product.get_or_none(id=product_number)
        return None if product is None else self._views.view(product)
