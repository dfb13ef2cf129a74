"""`/products`: everybody reads, hosts and administrators change. The catalog service broadcasts changes."""

from functools import partial

from gateway.errors import Code
from gateway.http.routes import CONFLICT, ID, NOT_FOUND, READS, WRITES, Call, Route
from gateway.protocol.payloads.catalog import (
    ArrangeProducts,
    ChangedProducts,
    ChangeProduct,
    ChangeProducts,
    ChangeStock,
    CreateProduct,
    Product,
    ProductPage,
    StartDeal,
)
from gateway.protocol.queries import ProductQuery
from gateway.security.principal import HOSTS
from gateway.services.commerce.catalog import Catalog
from gateway.services.commerce.product_list import ProductList

STOCK = CONFLICT | {Code.INSUFFICIENT_STOCK}


class Products:
    """The routes of products."""

    def __init__(self, catalog: Catalog, product_list: ProductList) -> None:
        self._catalog = catalog
        self._product_list = product_list

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        host = partial(Route, who=HOSTS, limit=WRITES)
        return [
            Route("GET", "/products", self.page, query=ProductQuery, answer=ProductPage, limit=READS),
            Route("GET", f"/products/{ID}", self.get, answer=Product, limit=READS),
            host("POST", "/products", self.create, body=CreateProduct, answer=Product, status=201, raises=NOT_FOUND),
            host(
                "PATCH",
                "/products",
                self.change_many,
                body=ChangeProducts,
                answer=ChangedProducts,
                raises=NOT_FOUND | CONFLICT,
            ),
            host(
                "PATCH",
                "/products/order",
                self.arrange,
                body=ArrangeProducts,
                answer=ChangedProducts,
                raises=NOT_FOUND,
            ),
            host("PATCH", f"/products/{ID}", self.change, body=ChangeProduct, answer=Product, raises=CONFLICT),
            host("PATCH", f"/products/{ID}/stock", self.change_stock, body=ChangeStock, answer=Product, raises=STOCK),
            host("PATCH", f"/products/{ID}/sold-out", self.sell_out, answer=Product),
            host("POST", f"/products/{ID}/deal", self.start_deal, body=StartDeal, answer=Product, raises=CONFLICT),
            host("DELETE", f"/products/{ID}", self.delete),
        ]

    async def page(self, call: Call[None, ProductQuery]) -> ProductPage:
        """List products, newest first."""
        return await self._product_list.page(call.query)

    async def get(self, call: Call[None, None]) -> Product:
        """Return a product."""
        return await self._product_list.get(call.path("id"))

    async def create(self, call: Call[CreateProduct, None]) -> Product:
        """Add a product to a stream."""
        return await self._catalog.create(call.principal, call.body)

    async def change(self, call: Call[ChangeProduct, None]) -> Product:
        """Change the given fields of a product."""
        return await self._catalog.change(call.principal, call.path("id"), call.body)

    async def change_many(self, call: Call[ChangeProducts, None]) -> ChangedProducts:
        """Change several products: all or none."""
        return await self._catalog.change_many(call.principal, call.body)

    async def arrange(self, call: Call[ArrangeProducts, None]) -> ChangedProducts:
        """Put products of a stream in another order: all or none."""
        return await self._catalog.arrange(call.principal, call.body)

    async def change_stock(self, call: Call[ChangeStock, None]) -> Product:
        """Set the stock, or change it by a difference."""
        return await self._catalog.change_stock(call.principal, call.path("id"), call.body)

    async def start_deal(self, call: Call[StartDeal, None]) -> Product:
        """Sell at a deal price until a given time."""
        return await self._catalog.start_deal(call.principal, call.path("id"), call.body)

    async def sell_out(self, call: Call[None, None]) -> Product:
        """Set the stock to zero."""
        return await self._catalog.sell_out(call.principal, call.path("id"))

    async def delete(self, call: Call[None, None]) -> None:
        """Delete a product from its stream."""
        await self._catalog.delete(call.principal, call.path("id"))
