"""The middleware around every request: request id, preflight, error body, metrics, headers. Added by `mount`."""

import re
import secrets
import time

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from structlog.contextvars import bound_contextvars

from gateway.errors import Code, GatewayError
from gateway.http.cors import Cors
from gateway.http.dispatch import RATE_HEADERS
from gateway.http.envelope import http_refusal, refusal
from gateway.http.headers import protect
from gateway.metrics import Metrics

REQUEST_ID_HEADER = "X-Request-ID"
REQUEST_ID = web.RequestKey("request_id", str)

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")  # safe in a log line and in a header
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # others count as "other"

log = structlog.get_logger()


class Edge:
    """The outermost layer of the HTTP application."""

    def __init__(self, cors: Cors, metrics: Metrics, *, production: bool) -> None:
        self._cors = cors
        self._metrics = metrics
        self._production = production

    def mount(self, app: web.Application) -> None:
        """Add the middleware to an application."""
        app.middlewares.append(self._around)
        app.on_response_prepare.append(self._prepare)

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        sent = request.headers.get(REQUEST_ID_HEADER, "")
        request_id = request[REQUEST_ID] = sent if _SANE_ID.fullmatch(sent) else secrets.token_hex(8)
        with bound_contextvars(request_id=request_id):
            response = await self._answer(request, handler, request_id)
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unknown"
        method = request.method if request.method in _METHODS else "other"
        self._metrics.http.labels(method, route, response.status).observe(time.perf_counter() - started)
        return response

    async def _answer(self, request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
        try:
            _refuse_encoded(request)
            return self._cors.preflight(request) or await handler(request)
        except GatewayError as error:
            return refusal(error, request_id)
        except web.HTTPException as error:
            if error.status < web.HTTPBadRequest.status_code:
                return error
            return http_refusal(error, request_id)
        except Exception:
            log.exception("a request failed", method=request.method, path=request.path)
            return refusal(GatewayError(Code.INTERNAL_ERROR), request_id)

    async def _prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add headers just before they are sent, also to streamed answers and to those of polling."""
        if (request_id := request.get(REQUEST_ID)) is not None:
            response.headers[REQUEST_ID_HEADER] = request_id
        response.headers.update(request.get(RATE_HEADERS, {}))
        response.headers.update(self._cors.headers(request))
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        protect(response, production=self._production)


def _refuse_encoded(request: web.Request) -> None:
    """Raise an error for a compressed body: a few bytes could expand to the largest body allowed."""
    encodings = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING, ())).split(",")
    if any(encoding.strip().lower() not in ("", "identity") for encoding in encodings):
        raise web.HTTPUnsupportedMediaType(reason="The body must not be compressed")
