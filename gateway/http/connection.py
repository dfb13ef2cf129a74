"""aiohttp's side of one TCP connection, with our answer to odd requests. Made for the listening socket."""

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
HEAD = 10.0  # s that a request's head may take; with the front's 5 s at most 15
LINGER = 2.0  # s that what is left of a refused body is read, so that its client reads the answer; also when it is gone
STUCK = 10.0  # s for a client that does not read to take what fills the buffers

log = structlog.get_logger()


class HttpConnection(web.RequestHandler):
    """Answers in the envelope what reaches no handler of ours; a client's mistake is no reason to log a traceback.

    A client that takes nothing of its answer loses the connection: aiohttp would wait for it for ever.
    """

    def __init__(
        self, manager: web.Server, on_lost: Callable[[], None], *, stuck: float, head: float, **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self._on_lost = on_lost
        self._stuck = stuck
        self._head = head
        self._patience: asyncio.TimerHandle | None = None
        self._head_due: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """From the event loop. A head that has begun must end in time, however long the connection may be idle."""
        super().data_received(data)
        if self._current_request is not None or self._messages or self.transport is None:
            self._head_ended()
        elif self._head_due is None:
            self._head_due = self._loop.call_later(self._head, self.force_close)

    def pause_writing(self) -> None:
        """From the event loop: the buffers are full."""
        super().pause_writing()
        if self.transport is not None:
            self._patience = self._loop.call_later(self._stuck, self.transport.abort)

    def resume_writing(self) -> None:
        """From the event loop: the client has taken some."""
        super().resume_writing()
        self._calm()

    def connection_lost(self, exc: BaseException | None) -> None:
        """From the event loop."""
        self._on_lost()
        self._calm()
        self._head_ended()
        super().connection_lost(exc)

    def force_close(self) -> None:
        """What aiohttp calls to close; it sends what is left, but does not wait for ever until it is taken."""
        transport = self.transport
        super().force_close()
        if transport is not None and transport.get_write_buffer_size():
            self._loop.call_later(self._stuck, transport.abort)

    def log_exception(self, *args: Any, **options: Any) -> None:
        """What aiohttp calls with what it did not expect: among it, the rest of a refused body that cannot be read."""
        if not isinstance(options.get("exc_info"), RequestPayloadError):
            super().log_exception(*args, **options)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """What aiohttp calls with an answer. One that it raised before it asked us (`Expect`) has no envelope yet."""
        if isinstance(resp, web.HTTPError):
            resp = http_refusal(resp, "none")
        return await super().finish_response(request, resp, start_time)

    def _head_ended(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

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


def connections(
    server: web.Server,
    *,
    keepalive: float = KEEPALIVE,
    head: float = HEAD,
    linger: float = LINGER,
    stuck: float = STUCK,
) -> Callable[[Callable[[], None]], asyncio.Protocol]:
    """Return what makes the protocol of a connection from what is to be called when it has ended.

    `server` is that of an application that was set up.
    """
    options: dict[str, Any] = {
        "access_log": None,
        "auto_decompress": False,  # packed bodies are refused, and not unpacked on their way to nowhere
        "keepalive_timeout": keepalive,
        "lingering_time": linger,
    }
    return partial(HttpConnection, server, stuck=stuck, head=head, loop=asyncio.get_running_loop(), **options)
