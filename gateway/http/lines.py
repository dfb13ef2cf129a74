"""Streamed answers: payloads as lines of JSON, sent as they are made. Called by the dispatcher."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import structlog
from aiohttp import hdrs, web

from gateway.errors import GatewayError
from gateway.http.routes import LINES, Lines
from gateway.protocol.wire import Payload

log = structlog.get_logger()

CHUNK = 65_536  # bytes sent at once


async def send_lines(request: web.Request, lines: Lines) -> web.StreamResponse:
    """Send all lines, no faster than the client reads them, and stop if the client leaves.

    The status is sent before the first line, so an error after that aborts the connection: the client notices that the
    answer is incomplete.
    """
    response = web.StreamResponse(headers={hdrs.CACHE_CONTROL: "no-store"})
    response.content_type = LINES
    response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{lines.filename}"'
    await response.prepare(request)
    if request.method == hdrs.METH_HEAD:
        return response
    try:
        async with aclosing(_chunks(lines.items)) as chunks:
            async for chunk in chunks:
                await response.write(chunk)  # a client that reads nothing loses its connection
    except ConnectionError:
        log.debug("a client left during an export")
    except GatewayError as error:
        log.warning("an export was aborted", reason=type(error).__name__)
        _abort(request)
    except BaseException:
        _abort(request)
        raise
    return response


async def _chunks(items: AsyncIterator[Payload]) -> AsyncGenerator[bytes, None]:
    lines: list[bytes] = []
    size = 0
    async for item in items:
        lines.append(item.model_dump_json().encode() + b"\n")
        size += len(lines[-1])
        if size >= CHUNK:
            yield b"".join(lines)
            lines, size = [], 0
    if lines:
        yield b"".join(lines)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
