"""Answers of any length: payloads as lines of JSON, sent while they are made. Called by the dispatcher."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import structlog
from aiohttp import hdrs, web

from gateway.errors import GatewayError
from gateway.http.routes import LINES, Lines
from gateway.protocol.wire import Payload

log = structlog.get_logger()

CHUNK = 65_536  # bytes sent together


async def send_lines(request: web.Request, lines: Lines) -> web.StreamResponse:
    """Send all of it, no faster than the client takes it; nothing is made for one that is gone or takes nothing.

    What fails after the beginning cannot be said any more: the connection is cut, so that nobody takes a part for all.
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
                await response.write(chunk)  # a client that takes nothing loses its connection
    except ConnectionError:
        log.debug("a client left before the end of an export")
    except GatewayError as error:
        log.warning("an export was cut", reason=type(error).__name__)
        _cut(request)
    except BaseException:
        _cut(request)
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


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
