"""Protection from cross-site request forgery: the Origin, and a token in cookie and header. Used by the HTTP edge."""

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
    """Refuses requests that a page of another site makes a user's browser send."""

    def __init__(self, enabled: bool, origins: Origins) -> None:
        self._enabled = enabled
        self._origins = origins

    def issue(self) -> str:
        """Return a new token, for the cookie and the body of a login."""
        return secrets.token_urlsafe(32)

    def check_page(self, method: str, headers: Headers) -> None:
        """Raise Forbidden for an unsafe request from a page whose origin is not allowed.

        This includes requests without cookies: the answer to a form of another site would set cookies that log the user
        out, or in as somebody else.
        """
        origin = origin_of(headers)
        if not self._enabled or method in SAFE_METHODS or origin is None:
            return
        if not self._origins.allowed(origin, headers.get("Host", "")):
            raise Forbidden("This origin is not allowed")

    def check(self, method: str, headers: Headers, cookies: MultiMapping[str]) -> None:
        """Check the token of a request that is authenticated by a cookie.

        Raises Forbidden with CSRF_TOKEN_MISSING or CSRF_TOKEN_INVALID.
        """
        if not self._enabled or method in SAFE_METHODS:
            return
        sent = headers.get(HEADER)
        if not sent:
            raise Forbidden(code=Code.CSRF_TOKEN_MISSING)
        given = sent.encode(errors="replace")
        kept = [value.encode(errors="replace") for value in candidates(cookies, COOKIE)]
        if not any(secrets.compare_digest(given, value) for value in kept):
            raise Forbidden(code=Code.CSRF_TOKEN_INVALID)
