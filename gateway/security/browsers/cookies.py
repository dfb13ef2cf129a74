"""Reads the cookies of a request. Used by the HTTP edge and by Engine.IO handshakes."""

from typing import Final

from aiohttp import hdrs
from aiohttp._cookie_helpers import parse_cookie_header  # what request.cookies is made with
from multidict import CIMultiDict, CIMultiDictProxy, MultiDict, MultiMapping

SAME_NAME: Final = 8  # cookies of one name that are looked at; browsers send one for each domain and path


def read_cookies(headers: CIMultiDict[str] | CIMultiDictProxy[str]) -> MultiMapping[str]:
    """Return the cookies of all Cookie lines in order; malformed ones are left out.

    A browser that has several cookies of one name sends all of them, the one with the longest path first, and does not
    say which is whose. `get` gives the first, `getall` all of them.
    """
    cookies: MultiDict[str] = MultiDict()
    for line in headers.getall(hdrs.COOKIE, ()):  # HTTP/2 proxies may pass each cookie on a line of its own
        cookies.extend((name, morsel.value) for name, morsel in parse_cookie_header(line))
    return cookies


def candidates(cookies: MultiMapping[str], name: str) -> list[str]:
    """Return the different values of a cookie in order, without empty ones, `SAME_NAME` at most."""
    values: list[str] = cookies.getall(name, [])
    return list(dict.fromkeys(value for value in values if value))[:SAME_NAME]
