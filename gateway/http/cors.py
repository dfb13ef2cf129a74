"""Cross-origin requests: the answer to the preflight, and the headers of every other answer. Used by the edge."""

from aiohttp import hdrs, web

from gateway.errors import Forbidden
from gateway.security.browsers.csrf import HEADER
from gateway.security.browsers.origins import Origins, origin_of

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": ", ".join(
        (
            *("Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID", HEADER),
            *("traceparent", "tracestate", "sentry-trace", "baggage"),  # tracing puts them on every request of a page
        )
    ),
    "Access-Control-Max-Age": "600",  # s a browser may remember; a changed list is in force soon enough
}
_EXPOSED = "X-Request-ID, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"


class Cors:
    """The CORS headers of answers."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins

    def preflight(self, request: web.Request) -> web.Response | None:
        """The answer to a browser that asks before it sends, None for every other request.

        Raises Forbidden for origins that are not listed.
        """
        origin = origin_of(request.headers)
        asks = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        if not asks or origin is None:
            return None
        if not self._origins.allowed(origin, _host(request)):
            raise Forbidden("This origin is not allowed")
        return web.Response(status=204, headers=_PREFLIGHT)

    def headers(self, request: web.BaseRequest) -> dict[str, str]:
        """What lets the page that sent a request read the answer; nothing for pages that may not."""
        origin = origin_of(request.headers)
        if origin is None or not self._origins.allowed(origin, _host(request)):
            return {}
        if not self._origins.trusted(origin, _host(request)):  # allowed by "*" alone: readable, but never with cookies
            return {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*", hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: _EXPOSED}
        return {
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin,
            hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS: "true",
            hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: _EXPOSED,
        }


def _host(request: web.BaseRequest) -> str:
    return request.headers.get(hdrs.HOST, "")  # request.host would ask the name server where there is no header
