"""What a client's opening request says, and every check it must pass. Made by the front and the polling endpoint."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp._cookie_helpers import parse_cookie_header  # what request.cookies is made with
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.realtime.engineio.transport import TransportName

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class RefusedError(Exception):
    """A request that Engine.IO answers with an error: `status`, and the code and message that its clients know."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


UNKNOWN_TRANSPORT = (400, 0, "Transport unknown")
UNKNOWN_SESSION = (400, 1, "Session ID unknown")
BAD_METHOD = (400, 2, "Bad handshake method")
BAD_REQUEST = (400, 3, "Bad request")
FORBIDDEN = (403, 4, "Forbidden")
UNSUPPORTED_PROTOCOL = (400, 5, "Unsupported protocol version")
BAD_VERSION = (426, 3, "Unsupported WebSocket version")
TOO_LARGE = (413, 3, "Payload too large")
TOO_SLOW = (408, 3, "The body did not arrive in time")
CROWDED = (429, 3, "Too many connections from this address")
DRAINING = (503, 3, "Server is draining")


# What a namespace that is joined later may still have to know.
_LASTING: Final = (hdrs.AUTHORIZATION, hdrs.ORIGIN, hdrs.HOST)


@dataclass(frozen=True, slots=True)
class Handshake:
    """A request to the Socket.IO path. `remote` is the other end of the TCP connection, "" when there is none."""

    path: str
    query: Mapping[str, str] = field(repr=False)  # clients of other servers put tokens there
    headers: CIMultiDict[str] | CIMultiDictProxy[str] = field(repr=False)
    remote: str
    secure: bool  # this hop is encrypted

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies; unreadable ones are left out."""
        header = self.headers.get(hdrs.COOKIE)
        return {name: morsel.value for name, morsel in parse_cookie_header(header)} if header else {}

    @property
    def origin(self) -> str | None:
        """The Origin header."""
        return self.headers.get(hdrs.ORIGIN)

    @property
    def host(self) -> str:
        """The Host header, "" without one."""
        return self.headers.get(hdrs.HOST, "")

    @property
    def sid(self) -> str | None:
        """The session that the request is for; None: it asks for a new one."""
        return self.query.get("sid")

    def lasting(self, cookie: str | None) -> "Handshake":
        """What of it may stay for the life of a connection: who it is from, and of all cookies at most this one."""
        headers = CIMultiDict({name: self.headers[name] for name in _LASTING if name in self.headers})
        if cookie is not None and (value := self.cookies.get(cookie)):
            headers[hdrs.COOKIE] = f"{cookie}={value}"
        return replace(self, query={}, headers=headers)


def of_request(request: web.Request) -> Handshake:
    """The handshake of a request that came through aiohttp."""
    return Handshake(request.path, request.query, request.headers, request.remote or "", request.secure)


def of_message(message: RawRequestMessage, peer: Any, *, secure: bool) -> Handshake:
    """The handshake of a parsed head; `peer` is the transport's peername."""
    remote = str(peer[0]) if isinstance(peer, tuple) else ""
    return Handshake(message.url.path, message.url.query, message.headers, remote, secure)


def check_protocol(handshake: Handshake) -> TransportName:
    """The transport asked for: "polling" or "websocket". Raises RefusedError."""
    if handshake.query.get("EIO") != "4":
        raise RefusedError(*UNSUPPORTED_PROTOCOL)
    match handshake.query.get("transport"):
        case "polling":
            return "polling"
        case "websocket":
            return "websocket"
        case _:
            raise RefusedError(*UNKNOWN_TRANSPORT)


def accept_websocket(method: str, headers: Mapping[str, str]) -> bytes:
    """The head of the answer that makes this request a websocket (RFC 6455, 4.2). Raises RefusedError.

    No extension is accepted: compression costs 100 kB a connection and deflates each broadcast once per recipient.
    """
    if method != hdrs.METH_GET:
        raise RefusedError(*BAD_METHOD)
    upgrade, connection = headers.get(hdrs.UPGRADE, ""), headers.get(hdrs.CONNECTION, "")
    if upgrade.strip().lower() != "websocket" or "upgrade" not in _tokens(connection):
        raise RefusedError(*BAD_REQUEST)
    if hdrs.TRANSFER_ENCODING in headers or headers.get(hdrs.CONTENT_LENGTH, "0") != "0":
        raise RefusedError(*BAD_REQUEST)  # what follows the head must be frames and nothing else
    if headers.get(hdrs.SEC_WEBSOCKET_VERSION) != "13":
        raise RefusedError(*BAD_VERSION)
    key = headers.get(hdrs.SEC_WEBSOCKET_KEY, "").strip()
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if not valid:
        raise RefusedError(*BAD_REQUEST)
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def _tokens(header: str) -> set[str]:
    return {token.strip().lower() for token in header.split(",")}
