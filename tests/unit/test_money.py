"""Amounts of money as clients may write them, and as they are written to clients."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from gateway.protocol.catalog import CreateProduct, Product
from gateway.protocol.wire import now


def priced(text: str) -> Decimal:
    """The price in a request, which is written there as `text`."""
    body = f'{{"streamKey": "demo", "name": "Cup", "stock": 1, "price": {text}}}'
    return CreateProduct.model_validate_json(body).price


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("0", "0"),
        ("10", "10"),
        ("19.9", "19.9"),
        ("0.1", "0.1"),
        ("1e2", "1e2"),
        ("99999999.99", "99999999.99"),
        ('"19.90"', "19.90"),
        ('"007"', "7"),
    ],
)
def test_an_amount_is_a_number_or_a_decimal_string(text: str, price: str) -> None:
    assert priced(text) == Decimal(price)


@pytest.mark.parametrize("text", ["-0", "-0.0", '"-0"', '"-0.00"'])
def test_zero_has_no_sign(text: str) -> None:
    assert str(priced(text)) == "0", "what is told is what is stored"


@pytest.mark.parametrize(
    "text",
    [
        *("-1", "19.999", "100000000", "1e300", "1" * 5000, "null", "true", "[1]", "NaN"),
        *('"-0.01"', '"0.001"', '""', '" 5"', '"5\\n"', '"1_000"', '"٣"', '"1e2"', '"0x1"', '"1.99.0"', '"NaN"'),
        *('"Infinity"', f'"{"1" * 5000}"'),
    ],
)
def test_invalid_amounts_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        priced(text)


@pytest.mark.parametrize("price", ["0.10", "19.99", "99999999.99", "12345678.01"])
def test_an_amount_goes_out_as_a_number_and_comes_back_exactly(price: str) -> None:
    fields = CreateProduct.model_validate({"streamKey": "demo", "name": "Cup", "stock": 1, "price": price}).model_dump()
    rest = {"id": "1", "status": "AVAILABLE", "version": 1, "created_at": now(), "updated_at": now()}
    dumped = Product(**fields | rest).model_dump_json()
    assert f'"price":{Decimal(price).normalize():f}' in dumped
    assert Product.model_validate_json(dumped).price == Decimal(price), "as caches keep it"
