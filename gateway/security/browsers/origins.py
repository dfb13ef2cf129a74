"""The one allow-list of browser origins: CORS answers and websocket handshakes both ask it."""

from urllib.parse import urlsplit

from aiohttp import hdrs
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.settings import Settings

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(headers: CIMultiDict[str] | CIMultiDictProxy[str]) -> str | None:
    """Return the Origin header, None without one. Several lines are one list (RFC 9110, 5.3), which is no origin."""
    lines = headers.getall(hdrs.ORIGIN, ())
    return ", ".join(lines) if lines else None


class Origins:
    """Which web pages may talk to this gateway.

    Exact origins from CORS_ORIGINS, and the gateway's own pages (the Origin names the same host as the Host header).
    Headers that a client can forge on the way, such as X-Forwarded-Host, play no part.
    """

    def __init__(self, settings: Settings) -> None:
        self._listed = frozenset(origin.lower() for origin in settings.cors_origins)
        self._required = settings.origin_required

    def allowed(self, origin: str | None, host: str) -> bool:
        """Whether a request with this Origin header (None: none was sent) and this Host header may be served."""
        if origin is None:
            return not self._required  # apps and servers send none; a browser always does
        return ("*" in self._listed and "," not in origin) or self.trusted(origin, host)

    def may_use_cookies(self, origin: str | None, host: str) -> bool:
        """Whether the cookies of an allowed request speak for it; without an Origin no page has sent it."""
        return origin is None or self.trusted(origin, host)

    def trusted(self, origin: str, host: str) -> bool:
        """Whether pages of this origin may use the visitor's cookies: listed by name or our own, never just by `*`."""
        return origin.lower() in self._listed - {"*"} or _same_host(origin, host)


def _same_host(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc or not host:
        return False
    suffix = f":{_DEFAULT_PORTS[parts.scheme]}"
    return parts.netloc.lower().removesuffix(suffix) == host.lower().removesuffix(suffix)
