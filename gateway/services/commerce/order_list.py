"""Reads orders for buyers, hosts and administrators. Called by the HTTP edge."""

from collections.abc import AsyncIterator
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import Field
from tortoise.expressions import Q

from gateway.errors import Forbidden, NotFound
from gateway.postgres.database import Database
from gateway.protocol import cursors
from gateway.protocol.ids import uuid_or_missing
from gateway.protocol.payloads import orders
from gateway.protocol.payloads.orders import OrderPage
from gateway.protocol.queries import OrderQuery
from gateway.protocol.wire import Moment
from gateway.security.principal import STAFF, Principal, Role
from gateway.services.audit.names import names_of
from gateway.services.commerce.order_book import may_see, part, sorted_items, view
from gateway.services.rooms.hosting import own_among
from models.main.order import Order

BATCH = 500  # orders read at once for an export
NO_END = 2**63 - 1

ItemId = Annotated[int, Field(ge=1, lt=2**63)]  # of an order

HOSTED = "SELECT key FROM streams WHERE host_id = $1 AND ($2::text IS NULL OR key = $2)"

# The newest items of each stream ($1): of each order only the last item, which is the order's place in the list.
SOLD = """
    SELECT found.order_id, found.item FROM unnest($1::text[]) AS own (key) CROSS JOIN LATERAL (
        SELECT i.order_id, i.id AS item
        FROM order_items i CROSS JOIN LATERAL (SELECT * FROM orders WHERE id = i.order_id OFFSET 0) o
        WHERE i.stream_key = own.key AND i.id < $2
            AND ($3::text IS NULL OR o.status = $3) AND ($4::uuid IS NULL OR o.user_id = $4)
            AND ($5::timestamptz IS NULL OR o.created_at >= $5) AND ($6::timestamptz IS NULL OR o.created_at < $6)
            AND i.id = (
                SELECT max(later.id) FROM order_items later
                WHERE later.order_id = i.order_id AND later.stream_key = ANY ($1)
            )
        ORDER BY i.id DESC LIMIT $7
    ) found
    ORDER BY found.item DESC LIMIT $7
"""


class _Read(NamedTuple):
    """Orders, and the cursor of the next page; None if there are no more."""

    orders: list[orders.Order]
    cursor: str | None


class OrderList:
    """Lists orders: their own for buyers, all for administrators, those of their own streams for hosts.

    Of an order, a host sees the items of their own streams and the total of these. Raises Forbidden, NotFound for an
    unknown or hidden order, InvalidPayload for an invalid cursor, and Unavailable.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, principal: Principal, request: OrderQuery) -> OrderPage:
        """Return a page, newest first."""
        keys = await self._keys(principal, request)
        found = await self._read(principal, request, keys, request.cursor, request.limit)
        return OrderPage(items=found.orders, next_cursor=found.cursor)

    async def export(self, principal: Principal, request: OrderQuery) -> AsyncIterator[orders.Order]:
        """Return all orders from the cursor on; `limit` is ignored. Raises as `page`, before the first order."""
        keys = await self._keys(principal, request)
        return self._all(principal, request, keys, await self._read(principal, request, keys, request.cursor, BATCH))

    async def get(self, principal: Principal, order_id: str) -> orders.Order:
        """Return an order."""
        async with self._database.guard("orders.get"):
            order = await Order.get_or_none(id=uuid_or_missing(order_id, "order")).prefetch_related("items")
            if order is None:
                raise NotFound("There is no such order")
            if may_see(principal, order):
                return _whole(order)
            sold = [item.stream_id for item in order.items] if principal.role in STAFF else []
            keys = await own_among(self._database, UUID(principal.user_id), sold)
        if not keys:
            raise NotFound("There is no such order")
        return part(_whole(order), keys)

    # --- steps --------------------------------------------------------------------------------------------------------

    async def _all(
        self, principal: Principal, request: OrderQuery, keys: list[str] | None, found: _Read
    ) -> AsyncIterator[orders.Order]:
        while True:
            for order in found.orders:
                yield order
            if found.cursor is None:
                return
            found = await self._read(principal, request, keys, found.cursor, BATCH)

    async def _keys(self, principal: Principal, request: OrderQuery) -> list[str] | None:
        """Return the streams whose orders are listed; None for the orders of a buyer, or all. Raises Forbidden."""
        if request.stream_key is None and request.scope != "sold":
            return None
        if principal.role is Role.ADMIN and request.stream_key is not None:
            return [request.stream_key]
        if principal.role not in STAFF:
            raise Forbidden
        async with self._database.guard("orders.hosted"):
            rows = await self._database.query(HOSTED, UUID(principal.user_id), request.stream_key)
        if not rows and principal.role is not Role.ADMIN:
            raise Forbidden
        return [row["key"] for row in rows]

    async def _read(
        self, principal: Principal, request: OrderQuery, keys: list[str] | None, cursor: str | None, limit: int
    ) -> _Read:
        if keys is not None:
            return await self._read_sold(request, keys, cursor, limit)
        buyer = None if principal.role is Role.ADMIN and request.scope != "own" else UUID(principal.user_id)
        if buyer is not None and request.user_id not in (None, principal.user_id):
            raise Forbidden("These are the orders of another user")
        if request.user_id is not None:
            buyer = uuid_or_missing(request.user_id, "user")
        given = {
            "status": request.status,
            "user_id": buyer,
            "created_at__gte": request.from_,
            "created_at__lt": request.to,
        }
        found = Order.filter(**{name: value for name, value in given.items() if value is not None})
        if cursor is not None:
            moment, last = cursors.decode(cursor, tuple[Moment, UUID])
            found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=last))
        async with self._database.guard("orders.page"):
            rows = await found.order_by("-created_at", "-id").limit(limit + 1).prefetch_related("items")
            listed, following = cursors.page(rows, limit, lambda order: (order.created_at, order.id))
            people = [str(order.user_id) for order in listed] if principal.role is Role.ADMIN else []
            names = await names_of(self._database, people)
        return _Read([_named(_whole(order), names) for order in listed], following)

    async def _read_sold(self, request: OrderQuery, keys: list[str], cursor: str | None, limit: int) -> _Read:
        before = NO_END if cursor is None else cursors.decode(cursor, tuple[ItemId])[0]
        buyer = None if request.user_id is None else uuid_or_missing(request.user_id, "user")
        async with self._database.guard("orders.sold"):
            rows = await self._database.query(
                SOLD, keys, before, request.status, buyer, request.from_, request.to, limit + 1
            )
            listed, following = cursors.page(rows, limit, lambda row: (row["item"],))
            stored = await Order.filter(id__in=[row["order_id"] for row in listed]).prefetch_related("items")
            names = await names_of(self._database, [str(order.user_id) for order in stored])
        by_id = {order.id: order for order in stored}
        return _Read([_named(part(_whole(by_id[row["order_id"]]), keys), names) for row in listed], following)


def _whole(order: Order) -> orders.Order:
    return view(order, sorted_items(order))


def _named(order: orders.Order, names: dict[str, str]) -> orders.Order:
    return order.model_copy(update={"username": names.get(order.user_id)})
