"""Payloads of `/analytics`: reports of sales, viewers and messages."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from gateway.protocol.wire import Money, Payload, Timestamp

Bucket = Literal["minute", "hour", "day"]


class Sales(Payload):
    """Numbers of orders: placed, with their units and amount, paid, cancelled and expired."""

    orders: int = 0
    units: int = 0
    amount: Money = Decimal(0)
    paid_orders: int = 0
    paid_amount: Money = Decimal(0)
    cancelled_orders: int = 0
    expired_orders: int = 0


class SalesPoint(Sales):
    """The sales of one minute, hour or day, which begins `at`."""

    at: Timestamp


class StreamPoint(SalesPoint):
    """The sales of one stream, with its average and peak viewers and the messages of its chat."""

    viewers: int | None = None  # null: there is no sample, or nobody watched
    peak_viewers: int | None = None
    messages: int = 0
    guest_messages: int = 0


class ProductSales(Sales):
    """The sales of one product; it may be deleted by now."""

    product_id: str


class StreamSales(Sales):
    """The sales of one stream."""

    stream_key: str


class StreamReport(Payload):
    """`GET /analytics/streams/{key}`. Empty points are left out; the products are the 50 with the largest sales."""

    stream_key: str
    from_: Annotated[Timestamp, Field(alias="from")]
    to: Timestamp
    bucket: Bucket
    points: list[StreamPoint]
    products: list[ProductSales]


class SalesReport(Payload):
    """`GET /analytics/sales`. Empty points are left out; the streams are the 50 with the largest sales.

    An order of two streams counts in each of them.
    """

    from_: Annotated[Timestamp, Field(alias="from")]
    to: Timestamp
    bucket: Bucket
    points: list[SalesPoint]
    streams: list[StreamSales]
