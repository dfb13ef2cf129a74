"""Which web pages may talk to the gateway."""

import pytest

from gateway.security.browsers.origins import Origins
from tests.http_edge import settings

HOST = "gateway.example"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://shop.example", True),
        ("HTTPS://SHOP.example", True),
        ("http://shop.example", False),
        ("https://shop.example:8443", False),
        ("https://shop.example.evil.example", False),
        ("https://evil-shop.example", False),
        ("null", False),
        ("", False),
        ("https://[", False),
        ("file://gateway.example", False),
        (None, True),
        ("https://shop.example, https://shop.example", False),
        ("https://gateway.example, https://gateway.example", False),
        ("http://gateway.example", True),
        ("https://gateway.example:443", True),
        ("https://gateway.example:444", False),
    ],
)
def test_only_listed_and_own_pages(origin: str | None, allowed: bool) -> None:
    assert Origins(settings(cors_origins="https://shop.example")).allowed(origin, HOST) is allowed


def test_own_pages_are_recognised_by_host_and_port() -> None:
    origins = Origins(settings())
    assert origins.allowed("http://127.0.0.1:3001", "127.0.0.1:3001")
    assert not origins.allowed("http://127.0.0.1:3002", "127.0.0.1:3001")
    assert not origins.allowed("http://", "")


def test_an_origin_can_be_demanded() -> None:
    origins = Origins(settings(origin_required=True, cors_origins="https://shop.example"))
    assert not origins.allowed(None, HOST)
    assert origins.allowed("https://shop.example", HOST)


def test_everybody_may_come_but_only_named_ones_bring_cookies() -> None:
    origins = Origins(settings(cors_origins="*,https://shop.example"))
    assert origins.allowed("https://anywhere.example", HOST)
    assert not origins.allowed("https://anywhere.example, https://shop.example", HOST), "two lines are no origin"
    assert not origins.trusted("https://anywhere.example", HOST)
    assert not origins.trusted("*", HOST)
    assert origins.trusted("https://shop.example", HOST)
