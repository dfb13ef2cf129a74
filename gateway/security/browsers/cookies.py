"""Reads the cookies of a request. Used by the HTTP edge and by Engine.IO handshakes."""

from typing import Final

from aiohttp import hdrs
from multidict import CIMultiDict, CIMultiDictProxy, MultiDict, MultiMapping

MAX_SIZE: Final = 16_384  # bytes that are read, more than a browser stores for a site; the rest is ignored
SAME_NAME: Final = 8  # cookies of one name that are read; browsers send one for each domain and path


def read_cookies(headers: CIMultiDict[str] | CIMultiDictProxy[str], prefix: str = "") -> MultiMapping[str]:
    """Return the cookies of all Cookie headers in order, without malformed ones.

    With a `prefix` (setting COOKIE_PREFIX), return only cookies whose names begin with it, under their names without
    it.

    A browser sends all cookies of one name, the one with the longest path first, without saying which path each is for.
    `get` returns the first, `getall` all of them.
    """
    cookies: MultiDict[str] = MultiDict()
    left = MAX_SIZE
    for line in headers.getall(hdrs.COOKIE, ()):  # HTTP/2 proxies may pass each cookie on a line of its own
        for pair in line[:left].split(";"):
            name, separator, value = pair.partition("=")
            name = name.strip()
            if separator and name.startswith(prefix):
                cookies.add(name.removeprefix(prefix), _unquoted(value.strip()))
        left = max(0, left - len(line))
    return cookies


def candidates(cookies: MultiMapping[str], name: str) -> list[str]:
    """Return the distinct values of a cookie in order, without empty ones, `SAME_NAME` at most."""
    values: list[str] = cookies.getall(name, [])
    return list(dict.fromkeys(value for value in values if value))[:SAME_NAME]


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
