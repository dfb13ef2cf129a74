"""Cross-site request forgery: double submit of a token, in a readable cookie and in a header. Used by the HTTP edge."""

import secrets
from collections.abc import Mapping

from gateway.errors import Code, Forbidden

COOKIE = "csrf-token"
HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Csrf:
    """The check of requests that cookies authenticate: another site can make a browser send them, but not read them."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled

    def issue(self) -> str:
        """A fresh token, for the cookie and the body of a login."""
        return secrets.token_urlsafe(32)

    def check(self, method: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> None:
        """Let a cookie-authenticated request pass, or raise Forbidden with CSRF_TOKEN_MISSING or CSRF_TOKEN_INVALID."""
        if not self._enabled or method in SAFE_METHODS:
            return
        sent = headers.get(HEADER)
        if not sent:
            raise Forbidden(code=Code.CSRF_TOKEN_MISSING)
        kept = cookies.get(COOKIE, "")
        if not kept or not secrets.compare_digest(sent.encode(errors="replace"), kept.encode(errors="replace")):
            raise Forbidden(code=Code.CSRF_TOKEN_INVALID)
