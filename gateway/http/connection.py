"""aiohttp's side of one TCP connection, with our answer to malformed requests. Made for the listening socket."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from gateway.errors import Code, GatewayError
from gateway.http.envelope import refusal
from gateway.http.headers import protect

KEEPALIVE = 10.0  # s that an idle connection, or a head that does not end, is held; with the front's 5 s at most 15

log = structlog.get_logger()


class HttpConnection(web.RequestHandler):
    """Answers malformed requests in the envelope; a client's mistake is no reason to log a traceback."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  it may quote the request, with the secrets in it
    ) -> web.StreamResponse:
        """What aiohttp asks when no handler was or will be reached; the connection closes after it."""
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has already begun")
        if status >= web.HTTPInternalServerError.status_code:
            log.error("a connection failed", exc_info=exc)
            error = GatewayError(Code.INTERNAL_ERROR)
        else:
            error = GatewayError(Code.INVALID_PAYLOAD, "The request is not valid HTTP")
        response = refusal(error, "none", status)
        protect(response, production=False)
        response.headers["Server"] = "dorami"  # or aiohttp would name itself and its version
        response.force_close()
        return response


def connections(server: web.Server) -> Callable[[], asyncio.Protocol]:
    """The protocol factory of a listening socket, for the server of an application that was set up."""
    options: dict[str, Any] = {"access_log": None, "keepalive_timeout": KEEPALIVE}
    return partial(HttpConnection, server, loop=asyncio.get_running_loop(), **options)
