"""What becomes of orders that are placed at the same time, order by order. Nothing is stored here."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from gateway.errors import Code, GatewayError
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.orders import PlaceOrder
from gateway.services.commerce.order_book import Draft, OrderBook, PlacedOrder, draft, masked
from models.main.product import Product
from tests.doubles import principal
from tests.integration.commerce_nodes import TERMS
from tests.support import make_settings

pytestmark = pytest.mark.usefixtures("relations")

MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
ANN, BOB = uuid4(), uuid4()


@pytest.fixture
async def relations(database_url: str) -> AsyncIterator[None]:
    """Models know their relations once a database is open."""
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    yield
    await database.close()


def product(number: int, stock: int, price: str = "0.10") -> Product:
    return Product(
        id=number,
        stream_id="demo",
        name=f"P{number}",
        description="",
        price=Decimal(price),
        stock=stock,
        images=[],
        created_at=MOMENT,
        updated_at=MOMENT,
    )


def wants(user: UUID, key: str | None = None, fingerprint: str | None = None, **quantities: int) -> Draft:
    return Draft(user, "a***", {int(name[1:]): quantity for name, quantity in quantities.items()}, key, fingerprint)


def book(*products: Product) -> OrderBook:
    return OrderBook(products, {}, MOMENT, TERMS)


def code(answer: PlacedOrder | GatewayError) -> Code | None:
    return answer.code if isinstance(answer, GatewayError) else None


async def test_the_first_order_gets_the_last_item() -> None:
    sale = book(product(1, 3), product(2, 1))
    answers = [
        sale.take(wants(ANN, p1=2)),
        sale.take(wants(BOB, p1=2, p2=1)),  # refused, and reduces no stock
        sale.take(wants(BOB, p1=1, p2=1)),
        sale.take(wants(ANN, p3=1, p1=1)),
    ]
    assert [code(answer) for answer in answers] == [None, Code.INSUFFICIENT_STOCK, None, Code.NOT_FOUND]
    assert (sale.taken, sale.steps) == ({1: 3, 2: 1}, {1: 2, 2: 1})
    events = [each.event for each in sale.outgoing]
    assert events.count("live:product:soldout") == 2
    updates = [each.payload for each in sale.outgoing if each.event == "live:product:updated"]
    versions = [payload.data.version for payload in updates]  # type: ignore[attr-defined]
    assert versions == [2, 3, 2]


async def test_money_is_exact() -> None:
    sale = book(product(1, 100), product(2, 100, "0.20"))
    placed = sale.take(wants(ANN, p1=1, p2=1))
    assert isinstance(placed, PlacedOrder)
    assert placed.order.total == Decimal("0.30"), "floats would make 0.30000000000000004 of it"


async def test_repetitions_are_one_order_and_other_orders_conflict() -> None:
    sale = book(product(1, 9))
    first = sale.take(wants(ANN, "k", "same", p1=1))
    again = sale.take(wants(ANN, "k", "same", p1=1))
    assert isinstance(first, PlacedOrder)
    assert again == first._replace(fresh=False)
    assert code(sale.take(wants(ANN, "k", "other", p1=2))) == Code.CONFLICT
    assert code(sale.take(wants(BOB, "k", "same", p1=1))) is None
    assert sale.taken == {1: 2}


@pytest.mark.parametrize(
    ("items", "same"),
    [
        ([("2", 1), ("1", 3)], True),
        ([("1", 3), ("2", 2)], False),
        ([("1", 3)], False),
        ([("13", 3), ("2", 1)], False),
    ],
)
async def test_a_repetition_is_recognised_in_any_order_of_items(items: list[tuple[str, int]], same: bool) -> None:
    def fingerprint(lines: list[tuple[str, int]]) -> str | None:
        asked = [{"productId": number, "quantity": quantity} for number, quantity in lines]
        return draft(principal(), PlaceOrder.model_validate({"items": asked}), "k").fingerprint

    assert (fingerprint(items) == fingerprint([("1", 3), ("2", 1)])) is same


async def test_names_of_buyers_are_masked() -> None:
    assert [masked(name) for name in ("kim", "k", "김철수")] == ["k***", "k***", "김***"]
