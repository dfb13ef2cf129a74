"""The double submit of the CSRF token."""

import pytest

from gateway.errors import Code, Forbidden
from gateway.security.csrf import Csrf

COOKIES = {"csrf-token": "secret"}


def refused(csrf: Csrf, method: str, headers: dict[str, str], cookies: dict[str, str]) -> Code:
    with pytest.raises(Forbidden) as caught:
        csrf.check(method, headers, cookies)
    return caught.value.code


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
def test_an_unsafe_request_needs_the_header(method: str) -> None:
    csrf = Csrf(enabled=True)
    csrf.check(method, {"X-CSRF-Token": "secret"}, COOKIES)
    assert refused(csrf, method, {}, COOKIES) is Code.CSRF_TOKEN_MISSING
    assert refused(csrf, method, {"X-CSRF-Token": ""}, COOKIES) is Code.CSRF_TOKEN_MISSING
    assert refused(csrf, method, {"X-CSRF-Token": "Secret"}, COOKIES) is Code.CSRF_TOKEN_INVALID
    assert refused(csrf, method, {"X-CSRF-Token": "secret"}, {}) is Code.CSRF_TOKEN_INVALID
    assert refused(csrf, method, {"X-CSRF-Token": "\udcff"}, COOKIES) is Code.CSRF_TOKEN_INVALID


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_needs_no_token(method: str) -> None:
    Csrf(enabled=True).check(method, {}, COOKIES)


def test_it_can_be_switched_off() -> None:
    Csrf(enabled=False).check("POST", {}, COOKIES)


def test_every_token_is_another() -> None:
    csrf = Csrf(enabled=True)
    tokens = {csrf.issue() for _ in range(10)}
    assert len(tokens) == 10
    assert min(map(len, tokens)) >= 43
