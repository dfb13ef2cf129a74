"""`/orders`: members buy and look after their own orders, admins after all of them."""

from gateway.http.routes import ID, READS, WRITES, Call, Route
from gateway.protocol.orders import Order, OrderPage, PlaceOrder
from gateway.protocol.queries import OrderQuery
from gateway.security.principal import ADMINS, MEMBERS
from gateway.services.commerce.orders import Orders as OrderService


class Orders:
    """The routes of orders."""

    def __init__(self, orders: OrderService) -> None:
        self._orders = orders

    def routes(self) -> list[Route]:
        """The table."""
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
            ),
            Route("GET", "/orders", self.page, query=OrderQuery, answer=OrderPage, who=MEMBERS, limit=READS),
            Route("GET", one, self.get, answer=Order, who=MEMBERS, limit=READS),
            Route("DELETE", one, self.cancel, answer=Order, who=MEMBERS, limit=WRITES),
            Route("POST", f"{one}/paid", self.pay, answer=Order, who=ADMINS, limit=WRITES),
        ]

    async def place(self, call: Call[PlaceOrder, None]) -> Order:
        """Buy all of it or nothing."""
        return await self._orders.place(call.principal, call.body, call.idempotency_key)

    async def page(self, call: Call[None, OrderQuery]) -> OrderPage:
        """A page of orders."""
        return await self._orders.page(call.principal, call.query)

    async def get(self, call: Call[None, None]) -> Order:
        """One order."""
        return await self._orders.get(call.principal, call.path("id"))

    async def cancel(self, call: Call[None, None]) -> Order:
        """Cancel an order that is not paid; what it took is given back."""
        return await self._orders.cancel(call.principal, call.path("id"))

    async def pay(self, call: Call[None, None]) -> Order:
        """Note that an order is paid."""
        return await self._orders.pay(call.principal, call.path("id"))
