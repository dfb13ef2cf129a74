"""Cross-site request forgery: the page that asks, and a token in a cookie and in a header. Used by the HTTP edge."""

import secrets

from multidict import CIMultiDict, CIMultiDictProxy, MultiMapping

from gateway.errors import Code, Forbidden
from gateway.security.browsers.cookies import candidates
from gateway.security.browsers.origins import Origins, origin_of

COOKIE = "csrf-token"
HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Headers = CIMultiDict[str] | CIMultiDictProxy[str]


class Csrf:
    """What another site can make a browser send: requests with the visitor's cookies, whose answers it cannot read."""

    def __init__(self, enabled: bool, origins: Origins) -> None:
        self._enabled = enabled
        self._origins = origins

    def issue(self) -> str:
        """A fresh token, for the cookie and the body of a login."""
        return secrets.token_urlsafe(32)

    def check_page(self, method: str, headers: Headers) -> None:
        """Let a request pass unless a page that is not listed sent it to change something: then raise Forbidden.

        No cookie has to come with it: a form on any site can be sent without one, and its answer would set some, by
        which the visitor is logged out or somebody else.
        """
        origin = origin_of(headers)
        if not self._enabled or method in SAFE_METHODS or origin is None:
            return
        if not self._origins.allowed(origin, headers.get("Host", "")):
            raise Forbidden("This origin is not allowed")

    def check(self, method: str, headers: Headers, cookies: MultiMapping[str]) -> None:
        """Let a cookie-authenticated request pass, or raise Forbidden with CSRF_TOKEN_MISSING or CSRF_TOKEN_INVALID."""
        if not self._enabled or method in SAFE_METHODS:
            return
        sent = headers.get(HEADER)
        if not sent:
            raise Forbidden(code=Code.CSRF_TOKEN_MISSING)
        given = sent.encode(errors="replace")
        kept = [value.encode(errors="replace") for value in candidates(cookies, COOKIE)]
        if not any(secrets.compare_digest(given, value) for value in kept):
            raise Forbidden(code=Code.CSRF_TOKEN_INVALID)
