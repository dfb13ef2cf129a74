"""The one allow-list of browser origins: CORS answers and websocket handshakes both ask it."""

import re
from ipaddress import ip_address

from aiohttp import hdrs
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.settings import Settings

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PAGE = re.compile(r"(?P<scheme>https?)://(?P<host>(?P<name>[\w.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?)", re.ASCII)
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


def origin_of(headers: CIMultiDict[str] | CIMultiDictProxy[str]) -> str | None:
    """Return the Origin header, None without one. Several lines are one list (RFC 9110, 5.3), which is no origin."""
    lines = headers.getall(hdrs.ORIGIN, ())
    return ", ".join(lines) if lines else None


class Origins:
    """Which web pages may talk to this gateway.

    Exact origins from CORS_ORIGINS, in development every port of this machine, and the gateway's own pages: the Origin
    names the same host as the Host header, and that host is one of ALLOWED_HOSTS, an address or this machine. Any other
    name in the Host header may be that of a stranger whose name server answers with our address. Headers that a client
    can forge on the way, such as X-Forwarded-Host, play no part.
    """

    def __init__(self, settings: Settings) -> None:
        self._listed = frozenset(origin.lower() for origin in settings.cors_origins)
        self._hosts = frozenset(settings.allowed_hosts)
        self._local = not settings.production
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
