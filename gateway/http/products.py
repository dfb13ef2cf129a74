"""`/products`: everybody reads, admins change; changes reach the rooms through the catalog service."""

from functools import partial
from typing import Protocol

from gateway.http.routes import ID, READS, WRITES, Call, Route
from gateway.protocol.catalog import (
    ChangedProducts,
    ChangeProduct,
    ChangeProducts,
    ChangeStock,
    CreateProduct,
    Product,
    ProductPage,
)
from gateway.protocol.queries import ProductQuery
from gateway.security.principal import ADMINS


class Catalog(Protocol):
    """The products. Every method raises NotFound for an id that is none, and Unavailable."""

    async def page(self, ask: ProductQuery) -> ProductPage: ...
    async def get(self, product_id: str) -> Product: ...
    async def create(self, ask: CreateProduct) -> Product: ...
    async def change(self, product_id: str, ask: ChangeProduct) -> Product: ...
    async def change_many(self, ask: ChangeProducts) -> ChangedProducts: ...
    async def change_stock(self, product_id: str, ask: ChangeStock) -> Product: ...
    async def sell_out(self, product_id: str) -> Product: ...
    async def delete(self, product_id: str) -> None: ...


class Products:
    """The routes of products."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def routes(self) -> list[Route]:
        """The table."""
        admin = partial(Route, who=ADMINS, limit=WRITES)
        return [
            Route("GET", "/products", self.page, query=ProductQuery, answer=ProductPage, limit=READS),
            Route("GET", f"/products/{ID}", self.get, answer=Product, limit=READS),
            admin("POST", "/products", self.create, body=CreateProduct, answer=Product, status=201),
            admin("PATCH", "/products", self.change_many, body=ChangeProducts, answer=ChangedProducts),
            admin("PATCH", f"/products/{ID}", self.change, body=ChangeProduct, answer=Product),
            admin("PATCH", f"/products/{ID}/stock", self.change_stock, body=ChangeStock, answer=Product),
            admin("PATCH", f"/products/{ID}/sold-out", self.sell_out, answer=Product),
            admin("DELETE", f"/products/{ID}", self.delete),
        ]

    async def page(self, call: Call[None, ProductQuery]) -> ProductPage:
        """A page of products."""
        return await self._catalog.page(call.query)

    async def get(self, call: Call[None, None]) -> Product:
        """One product."""
        return await self._catalog.get(call.path("id"))

    async def create(self, call: Call[CreateProduct, None]) -> Product:
        """Add a product to a stream."""
        return await self._catalog.create(call.body)

    async def change(self, call: Call[ChangeProduct, None]) -> Product:
        """Change what is given."""
        return await self._catalog.change(call.path("id"), call.body)

    async def change_many(self, call: Call[ChangeProducts, None]) -> ChangedProducts:
        """Change some products: all of them or none."""
        return await self._catalog.change_many(call.body)

    async def change_stock(self, call: Call[ChangeStock, None]) -> Product:
        """Set the stock, or change it by a difference."""
        return await self._catalog.change_stock(call.path("id"), call.body)

    async def sell_out(self, call: Call[None, None]) -> Product:
        """Set the stock to nothing."""
        return await self._catalog.sell_out(call.path("id"))

    async def delete(self, call: Call[None, None]) -> None:
        """Take a product off the stream for good."""
        await self._catalog.delete(call.path("id"))
