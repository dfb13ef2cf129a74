"""The allow-list of browser origins. Used by CORS answers, CSRF checks and handshakes."""

import re
from ipaddress import ip_address

from aiohttp import hdrs
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.settings import Settings

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PAGE = re.compile(r"(?P<scheme>https?)://(?P<host>(?P<name>[\w.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?)", re.ASCII)
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


def origin_of(headers: CIMultiDict[str] | CIMultiDictProxy[str]) -> str | None:
    """Return the Origin header, None without one. Several are joined to a list (RFC 9110, 5.3) that is no origin."""
    lines = headers.getall(hdrs.ORIGIN, ())
    return ", ".join(lines) if lines else None


class Origins:
    """Decides which web pages may use this gateway.

    Allowed are the origins of CORS_ORIGINS, in development every port of this machine, and the gateway's own pages. A
    page is the gateway's own if its origin has the host of the Host header, and that host is in ALLOWED_HOSTS, an
    address or this machine; any other name may belong to a site that resolves to our address (DNS rebinding). Headers
    that a client can forge, such as X-Forwarded-Host, are not read.
    """

    def __init__(self, settings: Settings) -> None:
        self._listed = frozenset(origin.lower() for origin in settings.cors_origins)
        self._hosts = frozenset(settings.allowed_hosts)
        self._local = not settings.production
        self._required = settings.origin_required

    def allowed(self, origin: str | None, host: str) -> bool:
        """Return whether a request with this Origin header (None: not sent) and this Host header may be served."""
        if origin is None:
            return not self._required  # apps and servers send none; browsers always do
        return ("*" in self._listed and "," not in origin) or self.trusted(origin, host)

    def may_use_cookies(self, origin: str | None, host: str) -> bool:
        """Return whether the cookies of an allowed request authenticate it; without Origin it is not from a page."""
        return origin is None or self.trusted(origin, host)

    def trusted(self, origin: str, host: str) -> bool:
        """Return whether pages of this origin may use cookies: it is listed by name or our own, not just by `*`."""
        origin = origin.lower()
        if origin in self._listed:
            return origin != "*"
        page = _PAGE.fullmatch(origin)
        if page is None:
            return False
        name = page["name"].strip("[]")
        if self._local and name in _THIS_MACHINE:
            return True
        suffix = f":{_DEFAULT_PORTS[page['scheme']]}"
        ours = page["host"].removesuffix(suffix)
        return ours == host.lower().removesuffix(suffix) and self._is_ours(ours, name)

    def _is_ours(self, host: str, name: str) -> bool:
        return name in _THIS_MACHINE or not self._hosts.isdisjoint((host, name)) or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
