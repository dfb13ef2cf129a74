"""The common body of HTTP errors. Used by the middleware and by connections."""

import math

from aiohttp import web

from gateway.errors import Code, GatewayError
from gateway.protocol.answers import http_error

# Our codes and texts for errors that aiohttp raises; their HTTP status stays.
_CODES = {404: Code.NOT_FOUND, 405: Code.NOT_FOUND, 413: Code.PAYLOAD_TOO_LARGE}
_TEXTS = {404: "There is nothing at this address", 413: "The request is too large"}


def refusal(error: GatewayError, request_id: str, status: int | None = None) -> web.Response:
    """Return the answer for an error; `status` overrides the status of the catalogue."""
    body = http_error(error, request_id, status)
    response = web.Response(
        text=body.model_dump_json(), status=body.status_code, content_type="application/json", charset="utf-8"
    )
    response.headers["Cache-Control"] = "no-store"  # the next request may succeed
    if error.retry_after_ms is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_ms / 1000)))
    if response.status == web.HTTPUnauthorized.status_code:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def http_refusal(error: web.HTTPException, request_id: str) -> web.Response:
    """Return the answer for an error that aiohttp raised, with its Allow header if it has one."""
    code = Code.INTERNAL_ERROR if error.status >= 500 else _CODES.get(error.status, Code.INVALID_PAYLOAD)
    response = refusal(GatewayError(code, _TEXTS.get(error.status, error.reason)), request_id, error.status)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
