"""Orders: placing, cancelling, marking as paid, expiring. Called by the HTTP edge."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.clocks import now
from gateway.errors import Conflict, NotFound
from gateway.keys import admins_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.ids import uuid_or_missing
from gateway.protocol.payloads import orders
from gateway.protocol.payloads.orders import PlaceOrder
from gateway.realtime.notices import NoticeSender, UserEvent
from gateway.security.principal import Principal
from gateway.services.analytics.facts import NO_FACTS, Facts
from gateway.services.audit.audit_log import AuditLog
from gateway.services.commerce.order_book import draft, may_see, order_event, view
from gateway.services.commerce.order_writer import OrderWriter
from gateway.services.commerce.products import ProductViews
from gateway.services.rooms.log import NewEvent
from gateway.services.rooms.outbox import Outbox
from models.main.moderation import ModerationAction
from models.main.order import Order, OrderItem, OrderStatus
from models.main.product import Product

SWEPT = 100  # orders that expire in one transaction


class Orders:
    """Changes orders. Raises NotFound for an unknown order or, except for ADMINs, another user's; and Unavailable."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        writer: OrderWriter,
        notices: NoticeSender,
        metrics: Metrics,
        views: ProductViews,
        audit_log: AuditLog,
        facts: Facts = NO_FACTS,
    ) -> None:
        self._database = database
        self._audit_log = audit_log
        self._facts = facts
        self._notices = notices
        self._views = views
        self._outbox = outbox
        self._writer = writer
        self._metrics = metrics

    async def place(self, principal: Principal, request: PlaceOrder, key: str | None) -> orders.Order:
        """Place an order for all items or none, at the current prices.

        A repetition with the same key has no effect and gets the same answer. Raises INSUFFICIENT_STOCK with a list of
        shortages, PRICE_CHANGED with the current prices if the buyer saw others, and Conflict if a stream accepts no
        orders or the key was used for another order. A refused order is not stored and can be repeated with its key.
        """
        placed = await self._writer.write(draft(principal, request, key))
        answer = view(placed.order, placed.items)
        return answer if placed.fresh else answer.model_copy(update=AS_PLACED)

    async def cancel(self, principal: Principal, order_id: str) -> orders.Order:
        """Cancel a pending order and return its items to stock; an ended one stays as it is.

        Raises Conflict if it is paid.
        """
        # One change at a time: a transaction that waits for the lock of a product occupies a connection.
        async with self._outbox.change("orders.cancel", admins_room()) as outgoing:
            order, items = await _lock(principal, order_id)
            if order.status == OrderStatus.PAID:
                raise Conflict("The order is paid")
            cancels = order.status == OrderStatus.PENDING
            if cancels:
                moment = now()
                order.status, order.cancelled_at = OrderStatus.CANCELLED.value, moment
                await order.save(update_fields=["status", "cancelled_at"])
                outgoing.extend(await self._give_back(items, moment))
                outgoing.append(order_event(events.ORDER_CANCELLED, order, items))
                await self._facts.add_sales(self._database, "CANCELLED", [(moment, items)])
                if str(order.user_id) != principal.user_id:
                    await self._record(ModerationAction.CANCEL_ORDER, principal, order, items)
        if cancels:
            self._metrics.orders.labels("cancelled").inc()
        return view(order, items)

    async def pay(self, principal: Principal, order_id: str) -> orders.Order:
        """Mark an order as paid; do nothing if it is. Raises Conflict if it was cancelled or has expired."""
        async with self._outbox.change("orders.pay", admins_room()) as outgoing:
            order, items = await _lock(principal, order_id)
            if order.status == OrderStatus.CANCELLED:
                raise Conflict("The order was cancelled")
            if order.status == OrderStatus.EXPIRED:
                raise Conflict("The order has expired")
            pays = order.status == OrderStatus.PENDING
            if pays:
                moment = now()
                order.status, order.paid_at = OrderStatus.PAID.value, moment
                await order.save(update_fields=["status", "paid_at"])
                outgoing.append(order_event(events.ORDER_PAID, order, items))
                await self._facts.add_sales(self._database, "PAID", [(moment, items)])
                await self._record(ModerationAction.PAY_ORDER, principal, order, items)
        if pays:
            self._metrics.orders.labels("paid").inc()
        return view(order, items)

    async def expire(self) -> None:
        """Expire unpaid orders and return their items to stock. Called periodically on every node.

        Skips orders that another transaction is paying, cancelling or expiring.
        """
        due = SWEPT
        while due == SWEPT:
            async with self._outbox.change("orders.expire", admins_room()) as outgoing:
                moment = now()
                found = Order.filter(status=OrderStatus.PENDING, expires_at__lte=moment).order_by("expires_at", "id")
                orders = await found.limit(SWEPT).select_for_update(skip_locked=True, no_key=True)
                rows = await OrderItem.filter(order_id__in=[order.id for order in orders]).order_by("id")
                items: dict[Any, list[OrderItem]] = {order.id: [] for order in orders}
                for row in rows:
                    items[row.order_id].append(row)
                if orders:
                    expired = [order.id for order in orders]
                    await Order.filter(id__in=expired).update(status=OrderStatus.EXPIRED.value)
                    outgoing.extend(await self._give_back(rows, moment))
                    due_at = [(order.expires_at or moment, items[order.id]) for order in orders]
                    await self._facts.add_sales(self._database, "EXPIRED", due_at)
                for order in orders:
                    order.status = OrderStatus.EXPIRED.value
                    outgoing.append(order_event(events.ORDER_EXPIRED, order, items[order.id]))
            for order in orders:
                self._metrics.orders.labels("expired").inc()
                data = view(order, items[order.id]).model_dump(mode="json")
                await self._notices.notify(UserEvent(str(order.user_id), events.ORDER_EXPIRED, data))
            due = len(orders)

    async def _record(
        self, action: ModerationAction, principal: Principal, order: Order, items: Sequence[OrderItem]
    ) -> None:
        streams = {item.stream_id for item in items}
        await self._audit_log.record(
            action,
            principal,
            live_id=streams.pop() if len(streams) == 1 else None,
            subject_id=str(order.user_id),
            details={"orderId": str(order.id), "total": order.total},
        )

    async def _give_back(self, items: Sequence[OrderItem], moment: datetime) -> list[NewEvent]:
        """Return items to the stock of products that still exist; return the events for their rooms."""
        taken: Counter[int] = Counter()
        for item in items:
            if item.product_id is not None:
                taken[item.product_id] += item.quantity
        changes = []
        for product in await Product.filter(id__in=list(taken)).order_by("id").select_for_update(no_key=True):
            before = product.stock
            product.stock, product.version = before + taken[product.id], product.version + 1
            product.updated_at = moment
            await product.save(update_fields=["stock", "version", "updated_at"])
            changes += self._views.change_events(product, before)
        return changes

    async def close(self) -> None:
        """Refuse further orders, and return when the accepted ones are stored and published."""
        await self._writer.close()


# The state of a new order, with which a repetition is answered.
AS_PLACED: dict[str, Any] = {"status": OrderStatus.PENDING.value, "paid_at": None, "cancelled_at": None}


async def _lock(principal: Principal, order_id: str) -> tuple[Order, list[OrderItem]]:
    order = await Order.filter(id=uuid_or_missing(order_id, "order")).select_for_update(no_key=True).first()
    if order is None or not may_see(principal, order):
        raise NotFound("There is no such order")
    return order, await OrderItem.filter(order_id=order.id).order_by("id")
