"""Payloads of products, on `/` and over HTTP."""

import re
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
)

from gateway.clocks import now
from gateway.protocol.text import bounded, clean_line, clean_lines, is_visible
from gateway.protocol.wire import Cursor, Missed, Moment, Money, Payload, Request, Since, StreamKey, Timestamp

LOW_STOCK = 5  # a stock below this is announced in the room
MAX_STOCK = 1_000_000_000
MAX_VERSION = 2**53 - 1  # what every JSON parser keeps exact
MAX_CHANGES = 100  # products in one bulk change
DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
ProductStatus = Literal["AVAILABLE", "SOLD_OUT"]


def _price(value: object) -> object:
    # A JSON number arrives as int or float; str() of a float is its shortest form, so 19.9 stays 19.9.
    # Strings: ASCII digits only, since Decimal also accepts other digits and 1_000.
    if isinstance(value, str):
        valid = DECIMAL.fullmatch(value) is not None
    else:
        valid = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    if not valid:
        raise ValueError("not an amount of money")
    return Decimal(str(value)) or Decimal(0)  # no -0, which the database does not have


def _address(url: str) -> str:
    parts = urlsplit(url)  # raises ValueError for a malformed one
    if not parts.hostname or (parts.port is not None and parts.port == 0):
        raise ValueError("no host")
    if not is_visible(url) or clean_line(url) != url:
        raise ValueError("not an address")
    return url


Price = Annotated[
    Decimal,
    BeforeValidator(_price),
    Field(ge=0, max_digits=10, decimal_places=2, allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 99_999_999.99},
                {"type": "string", "pattern": r"^[0-9]{1,8}(\.[0-9]{1,2})?$"},
            ],
            "description": "at most two decimals; a number, or a decimal string",
            "examples": [19.9],
        },
        mode="validation",
    ),
]
Name = Annotated[str, bounded(clean_line, 200), Field(json_schema_extra={"maxLength": 200})]
Description = Annotated[str, bounded(clean_lines, 5000), Field(json_schema_extra={"maxLength": 5000})]
Url = Annotated[
    str,
    # An absolute URL: a relative one depends on the page. No backslash, which browsers read as a slash.
    StringConstraints(
        max_length=2048, pattern=r"^[hH][tT][tT][pP][sS]?://[^\s/?#@\\\x00-\x20\x7f]+([/?#][^\s\\\x00-\x20\x7f]*)?$"
    ),
    AfterValidator(_address),
]
Stock = Annotated[int, Field(ge=0, le=MAX_STOCK)]
ProductId = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,17}$", examples=["42"])]
Percent = Annotated[int, Field(ge=0, le=100)]
ExpectedVersion = Annotated[
    Annotated[int, Field(ge=1, le=MAX_VERSION)] | None,
    Field(validation_alias=AliasChoices("expectedVersion", "version")),
]


class JoinStream(Request):
    """`join:stream`."""

    stream_id: StreamKey
    since: Since | None = None


class LeaveStream(Request):
    """`leave:stream`."""

    stream_id: StreamKey


class Product(Payload):
    """A product. A client that has a newer `version` ignores an older event."""

    id: str
    stream_key: str
    name: str
    description: str
    price: Money
    original_price: Money | None
    currency: str  # ISO 4217
    discount_rate: int
    deal_ends_at: Timestamp | None  # until then `price` is the price of a deal
    stock: int
    status: ProductStatus
    image_url: str | None
    images: list[str]
    sort_order: int
    is_new: bool
    version: int
    created_at: Timestamp
    updated_at: Timestamp


class StreamJoined(Payload):
    """The ack of `join:stream`."""

    room: str
    products: list[Product]
    featured: Product | None
    cursor: Cursor
    recovered: bool
    events: list[Missed] | None = Field(default=None, exclude_if=lambda v: v is None)


class StreamLeft(Payload):
    """The ack of `leave:stream`."""

    room: str


class StreamPresence(Payload):
    """`user:joined` and `user:left`."""

    user_id: str
    stream_id: str
    timestamp: Timestamp = Field(default_factory=now)


class SoldOut(Payload):
    """`data` of `live:product:soldout`."""

    product_id: str
    version: int


class ProductDeleted(Payload):
    """`data` of `live:product:deleted`."""

    product_id: str
    version: int


class LowStock(Payload):
    """`data` of `product:low-stock`."""

    product_id: str
    product_name: str
    remaining_stock: int


class FeaturedProduct(Payload):
    """`stream:featured-product:updated`: the product that a stream shows first, null for none."""

    stream_key: str
    product_id: str | None
    product: Product | None


class FeatureProduct(Request):
    """`PUT /streams/{key}/featured-product`."""

    product_id: ProductId


class CreateProduct(Request):
    """`POST /products`."""

    stream_key: StreamKey
    name: Name
    price: Price
    stock: Stock
    description: Description = ""
    original_price: Price | None = None
    discount_rate: Percent = 0
    image_url: Url | None = None
    images: Annotated[list[Url], Field(max_length=20, default_factory=list)]
    sort_order: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    is_new: bool = False


class ChangeProduct(Request):
    """`PATCH /products/{id}`: the given fields change. A new price ends a deal.

    `expectedVersion` (or `version`, its former name) must equal the stored version if it is given.
    """

    name: Name | None = None
    price: Price | None = None
    stock: Stock | None = None
    description: Description | None = None
    original_price: Price | None = None
    discount_rate: Percent | None = None
    image_url: Url | None = None
    images: Annotated[list[Url], Field(max_length=20)] | None = None
    sort_order: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] | None = None
    is_new: bool | None = None
    expected_version: ExpectedVersion = None


class ChangeOneOf(ChangeProduct):
    """One of the changes of `PATCH /products`."""

    id: ProductId


class ChangeProducts(Request):
    """`PATCH /products`: all of the changes or none. Each product may occur once."""

    items: Annotated[list[ChangeOneOf], Field(min_length=1, max_length=MAX_CHANGES)]

    @field_validator("items")
    @classmethod
    def _once(cls, items: list[ChangeOneOf]) -> list[ChangeOneOf]:
        if len({item.id for item in items}) < len(items):
            raise ValueError("a product occurs twice")
        return items


class ArrangeProducts(Request):
    """`PATCH /products/order`: products of a stream in their new order; those that are not named keep their place."""

    stream_key: StreamKey
    ids: Annotated[list[ProductId], Field(min_length=1, max_length=MAX_CHANGES)]

    @field_validator("ids")
    @classmethod
    def _once(cls, ids: list[str]) -> list[str]:
        if len(set(ids)) < len(ids):
            raise ValueError("a product occurs twice")
        return ids


class ChangedProducts(Payload):
    """The products after the changes, in the order of the changes."""

    items: list[Product]


class ChangeStock(Request):
    """`PATCH /products/{id}/stock`: a new stock, or a difference; exactly one of the two."""

    stock: Stock | None = None
    change: Annotated[int, Field(ge=-MAX_STOCK, le=MAX_STOCK)] | None = None
    expected_version: ExpectedVersion = None


class StartDeal(Request):
    """`POST /products/{id}/deal`: another price until a future time. Replaces a running deal."""

    price: Price
    until: Moment
    expected_version: ExpectedVersion = None


class ProductPage(Payload):
    """A page of products; `next_cursor` is None at the end."""

    items: list[Product]
    next_cursor: str | None
