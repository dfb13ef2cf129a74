"""Payloads of orders, over HTTP and on `/`."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from gateway.protocol.payloads.catalog import Price, ProductId
from gateway.protocol.wire import Cursor, Missed, Money, Payload, Request, Since, Timestamp

MAX_ITEMS = 20  # products in one order
MAX_QUANTITY = 100  # of one product in one order: with the highest price, 14 digits hold the total
OrderStatus = Literal["PENDING", "PAID", "CANCELLED", "EXPIRED"]


class OrderLine(Request):
    """A quantity of one product. If `price`, the one that the buyer saw, has changed, the order fails."""

    product_id: ProductId
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
    price: Price | None = None


class PlaceOrder(Request):
    """`POST /orders`: all items or none. Each product may occur once."""

    items: Annotated[list[OrderLine], Field(min_length=1, max_length=MAX_ITEMS)]

    @field_validator("items")
    @classmethod
    def _once(cls, items: list[OrderLine]) -> list[OrderLine]:
        if len({item.product_id for item in items}) < len(items):
            raise ValueError("a product occurs twice")
        return items


class OrderItem(Payload):
    """One product of an order as it was at that time; `product_id` is null once the product is deleted."""

    product_id: str | None
    stream_key: str
    name: str
    price: Money
    quantity: int


class Order(Payload):
    """An order; `total` is the price of its items when it was placed. Hosts get the items of their own streams alone.

    `username`, the buyer's name, is in lists for staff.
    """

    id: str
    user_id: str
    username: str | None = Field(default=None, exclude_if=lambda v: v is None)
    status: OrderStatus
    items: list[OrderItem]
    total: Money
    created_at: Timestamp
    expires_at: Timestamp | None  # unless it is paid or cancelled before
    paid_at: Timestamp | None
    cancelled_at: Timestamp | None


class OrderPage(Payload):
    """A page of orders; `next_cursor` is None at the end."""

    items: list[Order]
    next_cursor: str | None


class JoinOrders(Request):
    """`join:orders`."""

    since: Since | None = None


class OrdersJoined(Payload):
    """The ack of `join:orders`; `events` are those after `since`, if all of them are still stored."""

    room: str
    cursor: Cursor
    recovered: bool
    events: list[Missed] | None = Field(default=None, exclude_if=lambda v: v is None)


class Shortage(Payload):
    """One of the `details` of INSUFFICIENT_STOCK: how many of a product were requested, and how many are left."""

    product_id: str
    requested: int
    left: int


class ChangedPrice(Payload):
    """One of the `details` of PRICE_CHANGED: the price that the buyer saw, and the present price."""

    product_id: str
    asked: Money
    price: Money


class Purchase(Payload):
    """`order:purchase:notification`: a purchase, with a masked name of the buyer."""

    stream_key: str
    display_name: str
    message: str
