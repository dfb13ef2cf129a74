"""What clients may write of a product: amounts of money, addresses and names; and amounts as they are sent."""

import unicodedata
from decimal import Decimal

import pytest
from pydantic import ValidationError

from gateway.clocks import now
from gateway.protocol.payloads.catalog import CreateProduct, Product
from gateway.protocol.payloads.streaming import CreateStream


def priced(text: str) -> Decimal:
    """Return the price in a request, which is written there as `text`."""
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
def test_an_amount_survives_serialization(price: str) -> None:
    fields = CreateProduct.model_validate({"streamKey": "demo", "name": "Cup", "stock": 1, "price": price}).model_dump()
    rest = {
        "id": "1",
        "status": "AVAILABLE",
        "version": 1,
        "currency": "USD",
        "deal_ends_at": None,
        "created_at": now(),
        "updated_at": now(),
    }
    dumped = Product(**fields | rest).model_dump_json()
    assert f'"price":{Decimal(price).normalize():f}' in dumped
    assert Product.model_validate_json(dumped).price == Decimal(price), "as caches keep it"


@pytest.mark.parametrize(
    "url",
    [
        *("//evil.example/x.png", "/\\evil.example", "/x.png", "javascript:alert(1)", "data:image/png;base64,AA==", ""),
        *("https:///x.png", "https://", "http:/x.png", "https://user@evil.example/", "https://shop.example\\@evil/"),
        *("https://shop.example/a b", "https://shop.example/\u202egpj.exe", "https://shop.example/\u200b", "ftp://x/y"),
        *("https://shop.example:99999/", "https://[::1/x", "https://shop.example/\n"),
    ],
)
def test_picture_addresses_are_absolute(url: str) -> None:
    body = {"streamKey": "demo", "name": "Cup", "stock": 1, "price": 1}
    for field in ({"imageUrl": url}, {"images": [url]}):
        with pytest.raises(ValidationError):
            CreateProduct.model_validate(body | field)


@pytest.mark.parametrize(
    "url",
    ["https://shop.example/a.png?w=1#x", "http://127.0.0.1:8080/ㄱ.png", "HTTPS://shop.example", "https://[::1]/x"],
)
def test_picture_addresses_are_not_changed(url: str) -> None:
    body = {"streamKey": "demo", "name": "Cup", "stock": 1, "price": 1, "imageUrl": url}
    assert CreateProduct.model_validate(body).image_url == url


@pytest.mark.parametrize(
    "name", ["Cup\u202e", "C\u200bup", "Cup\nMug", "\u3164", " ", "", "Cup\u2066", "a\u0301" + "\u0301" * 9]
)
def test_names_and_titles_are_one_visible_line(name: str) -> None:
    with pytest.raises(ValidationError):
        CreateProduct.model_validate({"streamKey": "demo", "stock": 1, "price": 1, "name": name})
    with pytest.raises(ValidationError):
        CreateStream.model_validate({"title": name})


def test_a_name_is_stored_in_one_form() -> None:
    decomposed = unicodedata.normalize("NFD", "  쌀과자   컵 👨‍👩‍👧 ")
    body = {"streamKey": "demo", "stock": 1, "price": 1, "name": decomposed, "description": "one\r\ntwo"}
    asked = CreateProduct.model_validate(body)
    assert (asked.name, asked.description) == ("쌀과자 컵 👨‍👩‍👧", "one\ntwo")
