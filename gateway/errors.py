"""The error catalogue: every code that clients receive, over sockets and HTTP. Raised anywhere, answered by the edges.

    GatewayError            carries a Code; the base class of all errors for clients
    ├── InvalidPayload      the request does not match its schema
    ├── AuthRequired        the caller is not authenticated (AUTH_REQUIRED, TOKEN_EXPIRED, TOKEN_REVOKED)
    ├── Forbidden           the caller is authenticated but not allowed
    ├── NotFound · NotInRoom · Conflict
    ├── RateLimited         with the milliseconds to wait
    └── Unavailable         a required server is unavailable; try again

Any other exception becomes INTERNAL_ERROR: its traceback is logged and not sent.
"""

from enum import StrEnum
from typing import Any, NamedTuple


class Code(StrEnum):
    """The codes of errors; they never change."""

    INVALID_PAYLOAD = "INVALID_PAYLOAD"
    INVALID_MESSAGE = "INVALID_MESSAGE"
    MESSAGE_TOO_LONG = "MESSAGE_TOO_LONG"
    AUTH_REQUIRED = "AUTH_REQUIRED"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"
    TOKEN_REVOKED = "TOKEN_REVOKED"
    FORBIDDEN = "FORBIDDEN"
    CSRF_TOKEN_MISSING = "CSRF_TOKEN_MISSING"
    CSRF_TOKEN_INVALID = "CSRF_TOKEN_INVALID"
    MUTED = "MUTED"
    BANNED = "BANNED"
    NOT_FOUND = "NOT_FOUND"
    UNKNOWN_EVENT = "UNKNOWN_EVENT"
    NOT_IN_ROOM = "NOT_IN_ROOM"
    CONFLICT = "CONFLICT"
    INSUFFICIENT_STOCK = "INSUFFICIENT_STOCK"
    PRICE_CHANGED = "PRICE_CHANGED"
    ROOM_FROZEN = "ROOM_FROZEN"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    SLOW_MODE = "SLOW_MODE"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"


Codes = frozenset[Code]


def codes(*members: Code) -> Codes:
    """Return a set of codes, with which routes declare the errors that they may answer."""
    return frozenset(members)


class Entry(NamedTuple):
    """The HTTP status of a code, whether the same request may succeed later, and the default text."""

    status: int
    retryable: bool
    message: str


CATALOGUE: dict[Code, Entry] = {
    Code.INVALID_PAYLOAD: Entry(400, False, "The request does not have the expected shape"),
    Code.INVALID_MESSAGE: Entry(400, False, "The message is empty or not text"),
    Code.MESSAGE_TOO_LONG: Entry(400, False, "The message is too long"),
    Code.AUTH_REQUIRED: Entry(401, False, "Authentication is required"),
    Code.TOKEN_EXPIRED: Entry(401, False, "Token expired"),
    Code.TOKEN_REVOKED: Entry(401, False, "Token has been revoked"),
    Code.FORBIDDEN: Entry(403, False, "You may not do this"),
    Code.CSRF_TOKEN_MISSING: Entry(403, False, "The X-CSRF-Token header is missing"),
    Code.CSRF_TOKEN_INVALID: Entry(403, False, "The X-CSRF-Token header does not match"),
    Code.MUTED: Entry(403, False, "You are muted in this room"),
    Code.BANNED: Entry(403, False, "You are banned"),
    Code.NOT_FOUND: Entry(404, False, "There is no such thing"),
    Code.UNKNOWN_EVENT: Entry(404, False, "There is no such event"),
    Code.NOT_IN_ROOM: Entry(409, False, "Join the room first"),
    Code.CONFLICT: Entry(409, False, "This conflicts with what is stored"),
    Code.INSUFFICIENT_STOCK: Entry(409, False, "There is not enough stock"),
    Code.PRICE_CHANGED: Entry(409, False, "A price is another one now"),
    Code.ROOM_FROZEN: Entry(409, False, "The chat is frozen"),
    Code.PAYLOAD_TOO_LARGE: Entry(413, False, "The request is too large"),
    Code.RATE_LIMIT_EXCEEDED: Entry(429, True, "Too many requests"),
    Code.SLOW_MODE: Entry(429, True, "Slow mode is on"),
    Code.INTERNAL_ERROR: Entry(500, False, "Something went wrong on our side"),
    Code.SERVICE_UNAVAILABLE: Entry(503, True, "A service we need is away, please try again"),
}


class GatewayError(Exception):
    """An error that is sent to the client.

    Args:
        code: Its code in the catalogue.
        message: Replaces the catalogue's text.
        details: Values of JSON types, without secrets.
        retry_after_ms: When the client may repeat the request.
    """

    def __init__(
        self,
        code: Code,
        message: str | None = None,
        *,
        details: Any = None,
        retry_after_ms: int | None = None,
    ) -> None:
        self.code = code
        self.message = message or CATALOGUE[code].message
        self.details = details
        self.retry_after_ms = retry_after_ms
        super().__init__(f"{code}: {self.message}")

    @property
    def status(self) -> int:
        """The HTTP status of this error."""
        return CATALOGUE[self.code].status

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return CATALOGUE[self.code].retryable


class InvalidPayload(GatewayError):
    """The request does not match its schema; `details` is a list of `{field, problem}`."""

    def __init__(self, message: str | None = None, *, details: Any = None) -> None:
        super().__init__(Code.INVALID_PAYLOAD, message, details=details)


class AuthRequired(GatewayError):
    """The caller is not authenticated: its token is missing, invalid, expired or revoked."""

    def __init__(self, message: str | None = None, code: Code = Code.AUTH_REQUIRED) -> None:
        super().__init__(code, message)


class Forbidden(GatewayError):
    """The caller is authenticated but not allowed to do this."""

    def __init__(self, message: str | None = None, code: Code = Code.FORBIDDEN) -> None:
        super().__init__(code, message)


class NotFound(GatewayError):
    """Something that the request refers to does not exist."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(Code.NOT_FOUND, message)


class UnknownStream(NotFound):
    """There is no stream with the key that the request gives."""

    def __init__(self) -> None:
        super().__init__("There is no such stream")


class NotInRoom(GatewayError):
    """The socket has not joined the room that the request is for."""

    def __init__(self) -> None:
        super().__init__(Code.NOT_IN_ROOM)


class Conflict(GatewayError):
    """The request conflicts with the stored state."""

    def __init__(self, message: str | None = None, *, details: Any = None) -> None:
        super().__init__(Code.CONFLICT, message, details=details)


class RateLimited(GatewayError):
    """The caller has used up a limit of `limit` requests; the next is allowed after `retry_after_ms`."""

    retry_after_ms: int

    def __init__(self, retry_after_ms: int, *, limit: int) -> None:
        super().__init__(Code.RATE_LIMIT_EXCEEDED, retry_after_ms=retry_after_ms)
        self.limit = limit


class Unavailable(GatewayError):
    """A required server is unavailable; `what` names it for logs and metrics."""

    def __init__(self, what: str, *, retry_after_ms: int | None = 1000) -> None:
        super().__init__(Code.SERVICE_UNAVAILABLE, retry_after_ms=retry_after_ms)
        self.what = what
