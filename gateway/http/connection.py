"""HTTP on one TCP connection: aiohttp's protocol class with time limits and our error bodies. Made by the front."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from gateway.errors import Code, GatewayError
from gateway.http.envelope import http_refusal, refusal
from gateway.http.headers import protect

KEEPALIVE = 75.0  # s that an idle connection is held
HEAD = 10.0  # s for a request's head to arrive; with the front's 5 s at most 15
LINGER = 2.0  # s for which the rest of a refused body is read, so that its client can read the answer
STUCK = 10.0  # s for which the write buffers may stay full before the connection is aborted

log = structlog.get_logger()


class HttpConnection(web.RequestHandler):
    """Answers requests that reach no handler with the common error body, without logging client errors.

    Aborts the connection of a client that reads nothing of its answer: aiohttp would wait for it without limit.
    """

    def __init__(
        self, manager: web.Server, on_lost: Callable[[], None], *, stuck: float, head: float, **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self._on_lost = on_lost
        self._stuck = stuck
        self._head = head
        self._write_timer: asyncio.TimerHandle | None = None
        self._head_timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Handle the requests of this connection. Called by aiohttp, in a task that begins after `connection_made`.

        The connection may be lost before the task begins, which aiohttp's own method takes for an error.
        """
        if self._manager is not None:
            await super().start()

    def data_received(self, data: bytes) -> None:
        """Start the timer of a head that has begun. Called by the event loop."""
        super().data_received(data)
        if self._current_request is not None or self._messages or self.transport is None:
            self._head_ended()
        else:
            self._await_head()

    def pause_writing(self) -> None:
        """Start the timer of a client that does not read. Called by the event loop when the buffers are full."""
        super().pause_writing()
        if self.transport is not None:
            self._write_timer = self._loop.call_later(self._stuck, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the timer. Called by the event loop when the client has read enough."""
        super().resume_writing()
        self._stop_write_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the timers and call `on_lost`. Called by the event loop."""
        self._on_lost()
        self._stop_write_timer()
        self._head_ended()
        super().connection_lost(exc)

    def force_close(self) -> None:
        """Close after sending what is buffered, within `stuck` seconds. Called by aiohttp."""
        transport = self.transport
        super().force_close()
        if transport is not None and transport.get_write_buffer_size():
            self._loop.call_later(self._stuck, transport.abort)

    def log_exception(self, *args: Any, **options: Any) -> None:
        """Log an unexpected exception, except that the rest of a refused body could not be read. Called by aiohttp."""
        if not isinstance(options.get("exc_info"), RequestPayloadError):
            super().log_exception(*args, **options)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response; give errors that aiohttp raised before routing (`Expect`) our body. Called by aiohttp."""
        if isinstance(resp, web.HTTPError):
            resp = http_refusal(resp, "none")
        return await super().finish_response(request, resp, start_time)

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(self._head, self.force_close)

    def _head_ended(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  it may quote the request and its secrets
    ) -> web.StreamResponse:
        """Return the answer to a request that reaches no handler; the connection closes after it. Called by aiohttp."""
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


def connections(
    server: web.Server,
    *,
    keepalive: float = KEEPALIVE,
    head: float = HEAD,
    linger: float = LINGER,
    stuck: float = STUCK,
    kind: Callable[..., HttpConnection] = HttpConnection,
) -> Callable[[Callable[[], None]], asyncio.Protocol]:
    """Return a factory of connections: it takes the callback for the end of a connection, and returns its protocol.

    `server` belongs to an application that was set up. The times are in seconds.
    """
    options: dict[str, Any] = {
        "access_log": None,
        "auto_decompress": False,  # compressed bodies are refused, so nothing decompresses them
        "keepalive_timeout": keepalive,
        "lingering_time": linger,
    }
    return partial(kind, server, stuck=stuck, head=head, loop=asyncio.get_running_loop(), **options)
