"""What members buy: placing orders, reading them, cancelling, and that they are paid. Called by the HTTP edge."""

from datetime import datetime
from typing import Any
from uuid import UUID

from tortoise.expressions import Q

from gateway.errors import Conflict, Forbidden, NotFound
from gateway.keys import admins_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol import cursors, events, orders
from gateway.protocol.orders import OrderPage, PlaceOrder
from gateway.protocol.queries import OrderQuery
from gateway.protocol.wire import Moment, now
from gateway.security.principal import Principal, Role
from gateway.services.commerce import order_book, products
from gateway.services.commerce.order_book import draft, told, view
from gateway.services.commerce.order_writer import OrderWriter
from gateway.services.rooms.log import Told
from gateway.services.rooms.outbox import Outbox
from models.order import Order, OrderItem, OrderStatus
from models.product import Product


class Orders:
    """Raises NotFound for an order that is none or, but for ADMINs, somebody else's; and Unavailable."""

    def __init__(self, database: Database, news: Outbox, writer: OrderWriter, metrics: Metrics) -> None:
        self._database = database
        self._news = news
        self._writer = writer
        self._metrics = metrics

    async def place(self, principal: Principal, ask: PlaceOrder, key: str | None) -> orders.Order:
        """Buy all of it or nothing, at the prices of this moment; asked again under the same key, the same answer.

        Raises INSUFFICIENT_STOCK with a list of shortages, and Conflict if the key was used for another order. What was
        refused is not remembered: it may be tried again under its key.
        """
        placed = await self._writer.write(draft(principal, ask, key))
        answer = view(placed.order, placed.items)
        return answer if placed.fresh else answer.model_copy(update=AS_PLACED)

    async def page(self, principal: Principal, ask: OrderQuery) -> OrderPage:
        """A page of orders, newest first: one's own; for ADMINs everybody's."""
        found = Order.all() if ask.status is None else Order.filter(status=ask.status)
        if principal.role is not Role.ADMIN:
            if ask.user_id not in (None, principal.user_id):
                raise Forbidden("These are somebody else's orders")
            found = found.filter(user_id=principal.user_id)
        elif ask.user_id is not None:
            found = found.filter(user_id=_uuid(ask.user_id, "There is no such user"))
        if ask.cursor is not None:
            moment, last = cursors.decode(ask.cursor, tuple[Moment, UUID])
            found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=last))
        async with self._database.guard("orders.page"):
            listed = await found.order_by("-created_at", "-id").limit(ask.limit + 1).prefetch_related("items")
        items, more = listed[: ask.limit], len(listed) > ask.limit
        place = cursors.encode((items[-1].created_at.isoformat(), str(items[-1].id))) if more else None
        return OrderPage(items=[view(order, order_book.listed(order)) for order in items], next_cursor=place)

    async def get(self, principal: Principal, order_id: str) -> orders.Order:
        """One order."""
        async with self._database.guard("orders.get"):
            order = await Order.get_or_none(id=_uuid(order_id)).prefetch_related("items")
        if order is None or not _may_see(principal, order):
            raise NotFound("There is no such order")
        return view(order, order_book.listed(order))

    async def cancel(self, principal: Principal, order_id: str) -> orders.Order:
        """Give back what was taken, once; nothing happens if that was done already. Raises Conflict if it is paid."""
        # In turn with each other: who waits for a product's row has a connection, which others could use.
        async with self._news.change("orders.cancel", admins_room()) as news:
            order, items = await _lock(principal, order_id)
            if order.status == OrderStatus.PAID:
                raise Conflict("The order is paid")
            cancels = order.status == OrderStatus.PENDING
            if cancels:
                moment = now()
                order.status, order.cancelled_at = OrderStatus.CANCELLED.value, moment
                await order.save(update_fields=["status", "cancelled_at"])
                for product, quantity in await _sold(items):
                    news.extend(await _give_back(product, quantity, moment))
        if cancels:
            self._metrics.orders.labels("cancelled").inc()
        return view(order, items)

    async def pay(self, principal: Principal, order_id: str) -> orders.Order:
        """Note that an order is paid; nothing happens if it is already. Raises Conflict if it was cancelled."""
        async with self._news.change("orders.pay", admins_room()) as news:
            order, items = await _lock(principal, order_id)
            if order.status == OrderStatus.CANCELLED:
                raise Conflict("The order was cancelled")
            pays = order.status == OrderStatus.PENDING
            if pays:
                order.status, order.paid_at = OrderStatus.PAID.value, now()
                await order.save(update_fields=["status", "paid_at"])
                news.append(told(events.ORDER_PAID, order, items))
        if pays:
            self._metrics.orders.labels("paid").inc()
        return view(order, items)

    async def close(self) -> None:
        """Take no more orders; returns when those that were taken are placed and told."""
        await self._writer.close()


# What an order was when it was placed, whatever has become of it since.
AS_PLACED: dict[str, Any] = {"status": OrderStatus.PENDING.value, "paid_at": None, "cancelled_at": None}


async def _lock(principal: Principal, order_id: str) -> tuple[Order, list[OrderItem]]:
    order = await Order.filter(id=_uuid(order_id)).select_for_update(no_key=True).first()
    if order is None or not _may_see(principal, order):
        raise NotFound("There is no such order")
    return order, await OrderItem.filter(order_id=order.id).order_by("id")


async def _sold(items: list[OrderItem]) -> list[tuple[Product, int]]:
    """The products of an order that are still sold, locked, with how many of each were taken."""
    quantities = {item.product_id: item.quantity for item in items if item.product_id is not None}
    found = Product.filter(id__in=list(quantities)).order_by("id")
    return [(product, quantities[product.id]) for product in await found.select_for_update(no_key=True)]


async def _give_back(product: Product, quantity: int, moment: datetime) -> list[Told]:
    before = product.stock
    product.stock, product.version, product.updated_at = before + quantity, product.version + 1, moment
    await product.save(update_fields=["stock", "version", "updated_at"])
    return products.changed(product, before)


def _may_see(principal: Principal, order: Order) -> bool:
    return principal.role is Role.ADMIN or str(order.user_id) == principal.user_id


def _uuid(text: str, otherwise: str = "There is no such order") -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(otherwise) from None
