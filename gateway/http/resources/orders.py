"""`/orders`: users place and manage their own orders, hosts read those of their streams, administrators manage all."""

from gateway.errors import Code
from gateway.http.routes import CONFLICT, ID, NOT_FOUND, READS, WRITES, Call, Lines, Route
from gateway.protocol.payloads.orders import Order, OrderPage, PlaceOrder
from gateway.protocol.queries import OrderQuery
from gateway.security.principal import ADMINS, MEMBERS
from gateway.services.commerce.order_list import OrderList
from gateway.services.commerce.orders import Orders as OrderService


class Orders:
    """The routes of orders."""

    def __init__(self, orders: OrderService, order_list: OrderList) -> None:
        self._orders = orders
        self._order_list = order_list

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        one = f"/orders/{ID}"
        return [
            Route(
                "POST",
                "/orders",
                self.place,
                body=PlaceOrder,
                answer=Order,
                who=MEMBERS,
                limit=WRITES,
                status=201,
                idempotent=True,
                raises=NOT_FOUND | CONFLICT | {Code.INSUFFICIENT_STOCK, Code.PRICE_CHANGED},
            ),
            Route(
                "GET",
                "/orders",
                self.page,
                query=OrderQuery,
                answer=OrderPage,
                lines=Order,
                who=MEMBERS,
                limit=READS,
                raises=NOT_FOUND,
            ),
            Route("GET", one, self.get, answer=Order, who=MEMBERS, limit=READS),
            Route("DELETE", one, self.cancel, answer=Order, who=MEMBERS, limit=WRITES, raises=CONFLICT),
            Route("POST", f"{one}/paid", self.pay, answer=Order, who=ADMINS, limit=WRITES, raises=CONFLICT),
        ]

    async def place(self, call: Call[PlaceOrder, None]) -> Order:
        """Place an order: all items or none."""
        return await self._orders.place(call.principal, call.body, call.idempotency_key)

    async def page(self, call: Call[None, OrderQuery]) -> OrderPage | Lines:
        """List orders, newest first: the caller's, all for administrators, those of their own streams for hosts."""
        if call.wants_lines(call.query.format):
            return Lines(await self._order_list.export(call.principal, call.query), "orders.jsonl")
        return await self._order_list.page(call.principal, call.query)

    async def get(self, call: Call[None, None]) -> Order:
        """Return an order; hosts get the items of their own streams."""
        return await self._order_list.get(call.principal, call.path("id"))

    async def cancel(self, call: Call[None, None]) -> Order:
        """Cancel an unpaid order and return its items to stock."""
        return await self._orders.cancel(call.principal, call.path("id"))

    async def pay(self, call: Call[None, None]) -> Order:
        """Mark an order as paid."""
        return await self._orders.pay(call.principal, call.path("id"))
