"""Requests that another site makes a browser send: the double submit of the token, and which pages may ask."""

import pytest
from multidict import CIMultiDict, MultiDict

from gateway.errors import Code, Forbidden
from gateway.security.browsers.csrf import Csrf
from gateway.security.browsers.origins import Origins
from tests.support import make_settings

COOKIES = MultiDict({"csrf-token": "secret"})

ORIGINS = Origins(make_settings(cors_origins="https://shop.example", allowed_hosts="gateway.example"))


def refused(csrf: Csrf, method: str, headers: dict[str, str], cookies: MultiDict[str]) -> Code:
    with pytest.raises(Forbidden) as caught:
        csrf.check(method, CIMultiDict(headers), cookies)
    return caught.value.code


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
def test_an_unsafe_request_needs_the_header(method: str) -> None:
    csrf = Csrf(enabled=True, origins=ORIGINS)
    csrf.check(method, CIMultiDict({"X-CSRF-Token": "secret"}), COOKIES)
    assert refused(csrf, method, {}, COOKIES) is Code.CSRF_TOKEN_MISSING
    assert refused(csrf, method, {"X-CSRF-Token": ""}, COOKIES) is Code.CSRF_TOKEN_MISSING
    assert refused(csrf, method, {"X-CSRF-Token": "Secret"}, COOKIES) is Code.CSRF_TOKEN_INVALID
    assert refused(csrf, method, {"X-CSRF-Token": "secret"}, MultiDict()) is Code.CSRF_TOKEN_INVALID
    assert refused(csrf, method, {"X-CSRF-Token": "\udcff"}, COOKIES) is Code.CSRF_TOKEN_INVALID


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_needs_no_token(method: str) -> None:
    Csrf(enabled=True, origins=ORIGINS).check(method, CIMultiDict(), COOKIES)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://shop.example.evil.example", ""])
def test_requests_of_foreign_pages_are_refused_without_cookies_too(origin: str) -> None:
    csrf = Csrf(enabled=True, origins=ORIGINS)
    headers = CIMultiDict({"Origin": origin, "Host": "gateway.example"})
    with pytest.raises(Forbidden):
        csrf.check_page("POST", headers)
    csrf.check_page("GET", headers)
    Csrf(enabled=False, origins=ORIGINS).check_page("POST", headers)


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://shop.example"}, {"Origin": "https://gateway.example"}])
def test_listed_origins_own_pages_and_requests_without_origin_are_allowed(headers: dict[str, str]) -> None:
    Csrf(enabled=True, origins=ORIGINS).check_page("POST", CIMultiDict(headers | {"Host": "gateway.example"}))


def test_two_origin_headers_are_refused() -> None:
    headers = CIMultiDict([("Origin", "https://shop.example"), ("Origin", "https://evil.example")])
    with pytest.raises(Forbidden):
        Csrf(enabled=True, origins=ORIGINS).check_page("POST", headers)


def test_any_cookie_of_the_name_may_match() -> None:
    cookies = MultiDict([("csrf-token", "of another path"), ("csrf-token", "secret")])
    csrf = Csrf(enabled=True, origins=ORIGINS)
    csrf.check("POST", CIMultiDict({"X-CSRF-Token": "secret"}), cookies)
    assert refused(csrf, "POST", {"X-CSRF-Token": "another"}, cookies) is Code.CSRF_TOKEN_INVALID


def test_csrf_can_be_disabled() -> None:
    Csrf(enabled=False, origins=ORIGINS).check("POST", CIMultiDict(), COOKIES)


def test_tokens_are_unique() -> None:
    csrf = Csrf(enabled=True, origins=ORIGINS)
    tokens = {csrf.issue() for _ in range(10)}
    assert len(tokens) == 10
    assert min(map(len, tokens)) >= 43
