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
def test_only_listed_origins_and_own_pages_are_allowed(origin: str | None, allowed: bool) -> None:
    origins = Origins(settings(cors_origins="https://shop.example", allowed_hosts=HOST))
    assert origins.allowed(origin, HOST) is allowed


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("https://live.example", "live.example", True),
        ("https://live.example:8443", "live.example:8443", True),
        ("https://live.example", "LIVE.example:443", True),
        ("https://other.example:8443", "other.example:8443", True),
        ("https://other.example", "other.example", False),
        ("https://evil.example", "evil.example", False),
        ("https://live.example.evil.example", "live.example.evil.example", False),
        ("http://203.0.113.7:3001", "203.0.113.7:3001", True),
        ("http://[2001:db8::7]:3001", "[2001:db8::7]:3001", True),
        ("http://localhost:3001", "localhost:3001", True),
        ("http://localhost:3001", "localhost:3002", False),
        ("http://127.0.0.1", "evil.example", False),
    ],
)
def test_own_pages_need_a_listed_host_an_address_or_this_machine(origin: str, host: str, allowed: bool) -> None:
    """Of an unlisted name a stranger's name server may say that it is ours."""
    listed = settings(app_env="production", allowed_hosts="live.example, other.example:8443")
    assert Origins(listed).trusted(origin, host) is allowed


@pytest.mark.parametrize(
    "origin",
    [
        "capacitor://localhost",
        "ionic://localhost",
        "app://.",
        "tauri://localhost",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    ],
)
def test_origins_of_apps_can_be_listed(origin: str) -> None:
    origins = Origins(settings(app_env="production", cors_origins=f"https://shop.example,{origin}"))
    assert origins.trusted(origin, HOST)
    assert not origins.allowed(origin + "x", HOST)
    assert not Origins(settings(app_env="production")).allowed(origin, HOST)


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1:5173", "http://[::1]:1"])
def test_all_ports_of_this_machine_are_allowed_in_development(origin: str) -> None:
    assert Origins(settings()).trusted(origin, HOST)
    assert not Origins(settings(app_env="production")).allowed(origin, HOST)
    assert not Origins(settings()).allowed(origin.replace("://", "://x."), HOST)


def test_own_pages_are_recognised_by_host_and_port() -> None:
    origins = Origins(settings(app_env="production"))
    assert origins.allowed("http://127.0.0.1:3001", "127.0.0.1:3001")
    assert not origins.allowed("http://127.0.0.1:3002", "127.0.0.1:3001")
    assert not origins.allowed("http://", "")


def test_an_origin_can_be_required() -> None:
    origins = Origins(settings(origin_required=True, cors_origins="https://shop.example"))
    assert not origins.allowed(None, HOST)
    assert origins.allowed("https://shop.example", HOST)


def test_the_wildcard_allows_origins_but_no_cookies() -> None:
    origins = Origins(settings(cors_origins="*,https://shop.example"))
    assert origins.allowed("https://anywhere.example", HOST)
    assert not origins.allowed("https://anywhere.example, https://shop.example", HOST), "two lines are no origin"
    assert not origins.trusted("https://anywhere.example", HOST)
    assert not origins.trusted("*", HOST)
    assert origins.trusted("https://shop.example", HOST)
