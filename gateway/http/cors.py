"""Cross-origin requests: answers to preflights, and the CORS headers of all other answers. Used by the middleware."""

from aiohttp import hdrs, web

from gateway.errors import Forbidden
from gateway.security.browsers.csrf import HEADER
from gateway.security.browsers.origins import Origins, origin_of

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": ", ".join(
        (
            *("Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID", HEADER),
            *("traceparent", "tracestate", "sentry-trace", "baggage"),  # added by tracing libraries
        )
    ),
    "Access-Control-Max-Age": "600",  # s that a browser may cache the answer
}
_EXPOSED = "X-Request-ID, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"


class Cors:
    """The CORS headers of answers."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins

    def preflight(self, request: web.Request) -> web.Response | None:
        """Return the answer to a preflight, None for every other request.

        Raises Forbidden for an origin that is not allowed.
        """
        origin = origin_of(request.headers)
        preflight = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        if not preflight or origin is None:
            return None
        if not self._origins.allowed(origin, _host(request)):
            raise Forbidden("This origin is not allowed")
        return web.Response(status=204, headers=_PREFLIGHT)

    def headers(self, request: web.BaseRequest) -> dict[str, str]:
        """Return the headers that let the requesting page read the answer; empty if its origin is not allowed."""
        origin = origin_of(request.headers)
        if origin is None or not self._origins.allowed(origin, _host(request)):
            return {}
        if not self._origins.trusted(origin, _host(request)):  # allowed by "*" alone: readable, but without cookies
            return {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*", hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: _EXPOSED}
        return {
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin,
            hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS: "true",
            hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: _EXPOSED,
        }


def _host(request: web.BaseRequest) -> str:
    return request.headers.get(hdrs.HOST, "")  # without the header request.host would ask the name server
