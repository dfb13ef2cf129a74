"""Payloads of `/analytics`: what happened, in numbers."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from gateway.protocol.wire import Money, Payload, Timestamp

Bucket = Literal["minute", "hour", "day"]


class Sales(Payload):
    """What happened to orders: how many were placed, their products and price, and what became of orders."""

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
    """The same of one stream, with the viewers, on average and at most, and the messages of its chat."""

    viewers: int | None = None  # null: nobody has counted, or nobody watched
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
    """`GET /analytics/streams/{key}`. Points without anything are left out; the products are the 50 best sold."""

    stream_key: str
    from_: Annotated[Timestamp, Field(alias="from")]
    to: Timestamp
    bucket: Bucket
    points: list[StreamPoint]
    products: list[ProductSales]


class SalesReport(Payload):
    """`GET /analytics/sales`. Points without sales are left out; the streams are the 50 best selling.

    An order of two streams counts in each of them.
    """

    from_: Annotated[Timestamp, Field(alias="from")]
    to: Timestamp
    bucket: Bucket
    points: list[SalesPoint]
    streams: list[StreamSales]
