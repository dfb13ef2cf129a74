"""The HTTP side of Engine.IO: polling, and upgrades of connections that aiohttp handles. Called by the engine."""

import asyncio
from typing import Final, Protocol

from aiohttp import hdrs, web
from aiohttp.http import WSCloseCode
from aiohttp.web_protocol import RequestPayloadError

from gateway.realtime.engineio.connection import Connection
from gateway.realtime.engineio.handshake import (
    BAD_METHOD,
    BAD_REQUEST,
    TOO_LARGE,
    TOO_SLOW,
    UNKNOWN_SESSION,
    Answer,
    Handshake,
    RefusedError,
    accept_websocket,
    of_request,
)
from gateway.realtime.engineio.options import EngineOptions
from gateway.realtime.engineio.transports.frame import CLOSE, MESSAGE, PONG, SEPARATOR
from gateway.realtime.engineio.transports.polling import Polling
from gateway.realtime.engineio.transports.transport import (
    DUPLICATE_POST,
    OVERSIZE,
    PARSE_ERROR,
    TRANSPORT_ERROR,
    TransportName,
)

_FROM_CLIENT: Final = (CLOSE, PONG, MESSAGE)


class EngineSessions(Protocol):
    """The part of the engine that the endpoint uses."""

    options: EngineOptions

    def accept(self, handshake: Handshake) -> TransportName:
        """Return the transport that a request is for. Raises RefusedError."""

    def refused(self, refusal: RefusedError) -> None:
        """Count a refused request."""

    def session(self, sid: str) -> Connection:
        """Return the open connection with this id. Raises RefusedError."""

    def take_closed(self, sid: str) -> Connection | None:
        """Return a closed connection whose last packets no poll has fetched yet; forget it after its last poll."""

    def open_polling(self, handshake: Handshake) -> Polling:
        """Open a session over polling."""

    def open_websocket(self, handshake: Handshake, transport: asyncio.Transport, answer: Answer, rest: bytes) -> None:
        """Turn a TCP connection into a websocket."""


class HttpEndpoint:
    """Answers the requests of polling clients."""

    def __init__(self, sessions: EngineSessions) -> None:
        self._sessions = sessions
        self._options = sessions.options
        self._posting: set[str] = set()  # sessions with a POST that is not answered yet

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request to the Socket.IO path. A middleware adds the CORS headers, as for all paths."""
        handshake = of_request(request)
        response: web.StreamResponse
        try:
            if self._sessions.accept(handshake) == "websocket":
                response = self._websocket(request, handshake)
            else:
                response = web.Response(text=await self._polling(request, handshake))
        except RefusedError as refusal:
            self._sessions.refused(refusal)
            response = web.json_response(refusal.body, status=refusal.status, headers=refusal.headers)
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        return response

    # --- polling ------------------------------------------------------------------------------------------------------

    async def _polling(self, request: web.Request, handshake: Handshake) -> str:
        sid = handshake.sid
        if sid is None:
            if request.method != hdrs.METH_GET:
                raise RefusedError(*BAD_METHOD)
            return await self._sessions.open_polling(handshake).poll(request)
        if request.method == hdrs.METH_GET and (closed := self._sessions.take_closed(sid)) is not None:
            return await closed.poll(request)
        connection = self._sessions.session(sid)
        if request.method == hdrs.METH_GET:
            return await connection.poll(request)
        if request.method != hdrs.METH_POST or connection.transport != "polling":
            raise RefusedError(*BAD_REQUEST)
        if sid in self._posting:
            connection.violated(WSCloseCode.PROTOCOL_ERROR, DUPLICATE_POST)
            raise RefusedError(*BAD_REQUEST)
        self._posting.add(sid)
        try:
            await self._post(request, connection)
        finally:
            self._posting.discard(sid)
        return "ok"

    async def _post(self, request: web.Request, connection: Connection) -> None:
        try:
            packets = self._packets(await self._body(request))
        except RefusedError as refusal:
            too_large = refusal.status == TOO_LARGE[0]
            connection.violated(WSCloseCode.PROTOCOL_ERROR, OVERSIZE if too_large else PARSE_ERROR)
            raise
        except (ConnectionError, RequestPayloadError):
            # Packets were lost, and a session must not have gaps.
            connection.drop(TRANSPORT_ERROR)
            raise RefusedError(*BAD_REQUEST) from None
        await connection.wait_for_space()
        if connection.over:  # an answer of "ok" would be wrong, and the last one to a client in mid-upgrade
            raise RefusedError(*UNKNOWN_SESSION)
        for packet in packets:
            connection.received(packet)

    async def _body(self, request: web.Request) -> bytes:
        """Return the whole body. Raises RefusedError if it is compressed or too large, or does not arrive in time.

        Whether aiohttp detects a body that is not compressed as declared depends on the segments in which it arrives.
        """
        limit = self._options.max_packet_size
        if request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() != "identity":
            raise RefusedError(*BAD_REQUEST)
        if (request.content_length or 0) > limit:
            raise RefusedError(*TOO_LARGE)
        body = bytearray()
        try:
            async with asyncio.timeout(self._options.request_timeout):
                while chunk := await request.content.readany():
                    body += chunk
                    if len(body) > limit:
                        raise RefusedError(*TOO_LARGE)
        except TimeoutError:
            raise RefusedError(*TOO_SLOW) from None
        return bytes(body)

    def _packets(self, body: bytes) -> list[str]:
        """Return the packets of a payload. Raises RefusedError if one is malformed or binary, or there are too many."""
        try:
            packets = body.decode().split(SEPARATOR, self._options.max_poll_packets)
        except UnicodeDecodeError:
            raise RefusedError(*BAD_REQUEST) from None
        if len(packets) > self._options.max_poll_packets or not all(map(_acceptable, packets)):
            raise RefusedError(*BAD_REQUEST)
        return packets

    # --- websocket on a connection that aiohttp handles ---------------------------------------------------------------

    def _websocket(self, request: web.Request, handshake: Handshake) -> web.Response:
        compresses = self._options.compression_threshold > 0
        answer = accept_websocket(request.method, request.version, request.headers, compresses=compresses)
        if handshake.sid is not None:
            self._sessions.session(handshake.sid)
        protocol, transport = request.protocol, request.transport
        if transport is not None:
            rest = protocol._message_tail
            # For aiohttp the connection is lost: it ends its task and discards the response.
            protocol.transport = None
            protocol.connection_lost(None)
            self._sessions.open_websocket(handshake, transport, answer, rest)
        return web.Response(status=101)


def _acceptable(packet: str) -> bool:
    return packet.startswith(_FROM_CLIENT)
