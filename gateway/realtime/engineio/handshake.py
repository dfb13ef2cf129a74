"""A client's handshake request and the checks that it must pass. Created by the front and the polling endpoint."""

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from aiohttp import hdrs, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import HttpVersion, HttpVersion11
from multidict import CIMultiDict, CIMultiDictProxy, MultiMapping

from gateway.errors import Code
from gateway.realtime.engineio.transports.compression import Compression, agree
from gateway.realtime.engineio.transports.transport import TransportName
from gateway.security.browsers.cookies import candidates, read_cookies
from gateway.security.browsers.origins import origin_of

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class RefusedError(Exception):
    """A request to answer with the HTTP status `status` and a JSON body.

    Numeric codes are Engine.IO's. A temporary refusal has a code of the gateway's error catalogue and `retry_after_ms`.
    """

    def __init__(self, status: int, code: int | str, message: str, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms

    @property
    def body(self) -> dict[str, Any]:
        """The body of the answer."""
        if self.retry_after_ms is None:
            return {"code": self.code, "message": self.message}
        return {"code": self.code, "retryable": True, "retryAfterMs": self.retry_after_ms}

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer, in addition to those of every answer."""
        if self.retry_after_ms is not None:
            return {hdrs.RETRY_AFTER: str(math.ceil(self.retry_after_ms / 1000))}
        return {hdrs.SEC_WEBSOCKET_VERSION: "13"} if self.status == BAD_VERSION[0] else {}


UNKNOWN_TRANSPORT = (400, 0, "Transport unknown")
UNKNOWN_SESSION = (400, 1, "Session ID unknown")
BAD_METHOD = (400, 2, "Bad handshake method")
BAD_REQUEST = (400, 3, "Bad request")
FORBIDDEN = (403, 4, "Forbidden")
UNSUPPORTED_PROTOCOL = (400, 5, "Unsupported protocol version")
BAD_VERSION = (426, 3, "Unsupported WebSocket version")
TOO_LARGE = (413, 3, "Payload too large")
TOO_SLOW = (408, 3, "The body did not arrive in time")
TOO_MANY_CONNECTIONS = (429, Code.RATE_LIMIT_EXCEEDED, "Too many connections from this address", 5_000)
UNAVAILABLE = (503, Code.SERVICE_UNAVAILABLE, "This node takes no new sessions for now", 1_000)


# The headers that a namespace may still need when it is joined later.
_LASTING: Final = (hdrs.AUTHORIZATION, hdrs.ORIGIN, hdrs.HOST)
_COOKIE_VALUE: Final = re.compile(r"[!#-+\--:<-\[\]-~]*")  # RFC 6265, 4.1.1
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2


@dataclass(frozen=True, slots=True)
class Handshake:
    """A request to the Socket.IO path. `remote` is the peer's address, "" for a unix socket."""

    path: str
    query: Mapping[str, str] = field(repr=False)  # clients of other servers put tokens there
    headers: CIMultiDict[str] | CIMultiDictProxy[str] = field(repr=False)
    remote: str
    secure: bool  # this hop is encrypted

    @property
    def cookies(self) -> MultiMapping[str]:
        """The cookies of all Cookie lines; malformed ones are left out."""
        return read_cookies(self.headers)

    @property
    def origin(self) -> str | None:
        """The Origin header; several lines are joined into a text that matches no origin."""
        return origin_of(self.headers)

    @property
    def host(self) -> str:
        """The Host header, "" without one."""
        return self.headers.get(hdrs.HOST, "")

    @property
    def sid(self) -> str | None:
        """The id of the session that the request is for; None for a new session."""
        return self.query.get("sid")

    def reduced(self, cookie: str | None, name: str) -> "Handshake":
        """Return a smaller copy to keep as long as the connection.

        It has no query, only the headers that namespaces need, and of the cookies those called `cookie`, renamed to
        `name`.
        """
        headers = CIMultiDict({name: self.headers[name] for name in _LASTING if name in self.headers})
        if cookie is not None:
            values = [value for value in candidates(self.cookies, cookie) if _COOKIE_VALUE.fullmatch(value)]
            if values:
                headers[hdrs.COOKIE] = "; ".join(f"{name}={value}" for value in values)
        return replace(self, query={}, headers=headers)


def of_request(request: web.Request) -> Handshake:
    """Return the handshake of a request that aiohttp parsed."""
    return Handshake(request.path, request.query, request.headers, request.remote or "", request.secure)


def of_message(message: RawRequestMessage, peer: Any, *, secure: bool) -> Handshake:
    """Return the handshake of a parsed head; `peer` is the transport's peername."""
    return Handshake(message.url.path, message.url.query, message.headers, address_of(peer), secure)


def address_of(peer: Any) -> str:
    """Return the address of a transport's peername; "" for a unix socket."""
    return str(peer[0]) if isinstance(peer, tuple) else ""


def check_protocol(handshake: Handshake) -> TransportName:
    """Return the requested transport: "polling" or "websocket". Raises RefusedError."""
    if handshake.query.get("EIO") != "4":
        raise RefusedError(*UNSUPPORTED_PROTOCOL)
    match handshake.query.get("transport"):
        case "polling":
            return "polling"
        case "websocket":
            return "websocket"
        case _:
            raise RefusedError(*UNKNOWN_TRANSPORT)


class Answer(NamedTuple):
    """The head of the 101 answer to a websocket request, and the compression that it agrees to, if any."""

    head: bytes
    compression: Compression | None


def accept_websocket(
    method: str,
    version: HttpVersion,
    headers: CIMultiDict[str] | CIMultiDictProxy[str],
    *,
    compresses: bool = True,
) -> Answer:
    """Return the answer to a websocket request (RFC 6455, 4.2). Raises RefusedError.

    A header on several lines is one list (RFC 9110, 5.3). No extension but compression is accepted, and that if
    `compresses`. The first subprotocol is accepted, as by the Node server: a client that requests one fails without.
    """
    accept = _accept(method, version, headers)
    head = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n"
    )
    subprotocols = [token for token in _list(headers, hdrs.SEC_WEBSOCKET_PROTOCOL) if token]
    if subprotocols:
        if not all(map(_TOKEN.fullmatch, subprotocols)):
            raise RefusedError(*BAD_REQUEST)
        head += b"Sec-WebSocket-Protocol: " + subprotocols[0].encode() + b"\r\n"
    compression = agree(_list(headers, hdrs.SEC_WEBSOCKET_EXTENSIONS)) if compresses else None
    if compression is not None:
        head += b"Sec-WebSocket-Extensions: " + compression.header + b"\r\n"
    return Answer(head + b"\r\n", compression)


def _accept(method: str, version: HttpVersion, headers: CIMultiDict[str] | CIMultiDictProxy[str]) -> bytes:
    """Return the proof that a websocket request was understood. Raises RefusedError."""
    if method != hdrs.METH_GET:
        raise RefusedError(*BAD_METHOD)
    if version != HttpVersion11 or "websocket" not in _tokens(headers, hdrs.UPGRADE):
        raise RefusedError(*BAD_REQUEST)
    if "upgrade" not in _tokens(headers, hdrs.CONNECTION):
        raise RefusedError(*BAD_REQUEST)
    if hdrs.TRANSFER_ENCODING in headers or any(length != "0" for length in headers.getall(hdrs.CONTENT_LENGTH, ())):
        raise RefusedError(*BAD_REQUEST)  # only frames may follow the head
    if "13" not in _tokens(headers, hdrs.SEC_WEBSOCKET_VERSION):
        raise RefusedError(*BAD_VERSION)
    keys = headers.getall(hdrs.SEC_WEBSOCKET_KEY, ())
    key = keys[0].strip() if len(keys) == 1 else ""
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if not valid:
        raise RefusedError(*BAD_REQUEST)
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())


def _list(headers: CIMultiDict[str] | CIMultiDictProxy[str], name: str) -> list[str]:
    """Return the items of a comma-separated header, from all of its lines."""
    return [item.strip() for line in headers.getall(name, ()) for item in line.split(",")]


def _tokens(headers: CIMultiDict[str] | CIMultiDictProxy[str], name: str) -> set[str]:
    return {token.lower() for token in _list(headers, name)}
