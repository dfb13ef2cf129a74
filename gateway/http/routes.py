"""The types with which resources declare their routes. Read by the dispatcher and by the OpenAPI document."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from aiohttp import hdrs, web

from gateway.errors import AuthRequired, Code, Codes, InvalidPayload, codes
from gateway.protocol.queries import Query
from gateway.protocol.wire import Payload, Request
from gateway.security.principal import Principal, Roles

API = "/api/v1"
LINES = "application/x-ndjson"  # the content type of streamed answers

# Path segments. A path that does not match is answered NOT_FOUND by the router.
KEY = "{key:[A-Za-z0-9_-]{1,64}}"
ID = "{id:[A-Za-z0-9_-]{1,64}}"

# The limit of a client on one route, as a multiple of HTTP_RATE_LIMIT.
READS = 12  # 120 a minute by default: a person who browses in a few tabs
WRITES = 6  # 60 a minute by default: changes by hand or with a small script

IDEMPOTENCY = "Idempotency-Key"  # the header
IDEMPOTENCY_KEY = r"[!-~]{1,128}"

B = TypeVar("B")
Q = TypeVar("Q")


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """One request after all checks: parsed, authenticated, within its limit."""

    request: web.Request
    body: B
    query: Q
    address: str  # of the client, behind trusted proxies
    caller: Principal | None = None
    away: frozenset[str] = frozenset()  # databases of the route that do not answer, if it continues without them

    @property
    def principal(self) -> Principal:
        """The caller, on routes with `who`. Raises AuthRequired if there is none."""
        if self.caller is None:
            raise AuthRequired("No token provided")
        return self.caller

    @property
    def idempotency_key(self) -> str | None:
        """The Idempotency-Key header, None without one. Raises InvalidPayload for a malformed or repeated one."""
        match self.request.headers.getall(IDEMPOTENCY, []):
            case []:
                return None
            case [key] if re.fullmatch(IDEMPOTENCY_KEY, key):
                return key
        raise InvalidPayload(details=[{"field": IDEMPOTENCY, "problem": "not one word of at most 128 characters"}])

    def wants_lines(self, format_: str) -> bool:
        """Return whether the client wants lines of JSON, by the `format` of its query or its Accept header."""
        return format_ == "jsonl" or LINES in self.request.headers.get(hdrs.ACCEPT, "")

    def path(self, name: str) -> str:
        """Return a segment of the path."""
        return self.request.match_info[name]


class Cookie(NamedTuple):
    """A cookie to set, or to remove with `seconds` 0."""

    name: str
    value: str
    seconds: int
    http_only: bool = True


class Reply(NamedTuple):
    """An answer with a status of its own or with cookies."""

    body: Payload | None
    status: int | None = None  # None: the route's own
    cookies: tuple[Cookie, ...] = ()


class Lines(NamedTuple):
    """A streamed answer: each item is sent as a line of JSON when it is made."""

    items: AsyncIterator[Payload]
    filename: str  # under which a browser saves it


Handler = Callable[[Call[Any, Any]], Awaitable[Payload | Reply | Lines | None]]


NOTHING: Codes = codes()
ALWAYS = codes(Code.INTERNAL_ERROR, Code.SERVICE_UNAVAILABLE)
CREDENTIALS = codes(Code.AUTH_REQUIRED, Code.TOKEN_EXPIRED, Code.TOKEN_REVOKED, Code.FORBIDDEN, Code.BANNED)
CSRF = codes(Code.CSRF_TOKEN_MISSING, Code.CSRF_TOKEN_INVALID)
CONFLICT, NOT_FOUND = codes(Code.CONFLICT), codes(Code.NOT_FOUND)


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API: its shapes, roles, rate limit and handler."""

    method: str
    path: str  # below API
    handler: Handler
    body: type[Request] | None = None
    query: type[Query] | None = None
    answer: type[Payload] | None = None  # None: no content
    lines: type[Payload] | None = None  # the type of each line, if the answer may be lines of JSON instead
    who: Roles | None = None  # the roles that may call; None: anyone, no token is read
    first_password: bool = False  # also for an account that must change its password first
    lenient: bool = False  # with an invalid or missing token the request is served without a caller
    limit: int = 1  # times HTTP_RATE_LIMIT; 0: exempt
    status: int = 200
    statuses: tuple[int, ...] = ()  # other statuses of the same answer
    signed: Callable[[Mapping[str, str], bytes], None] | None = None  # verifies the signature of headers and body
    idempotent: bool = False  # accepts an Idempotency-Key
    raises: Codes = NOTHING  # codes of its handler's errors, besides the dispatcher's
    databases: tuple[str, ...] = ()  # needed besides the main one; while one of them is away the answer is 503
    continue_on_failure: bool = False  # the handler is called without them; they are in `Call.away`
    check_interval: float | None = None  # s for which an answer of theirs counts; None: DATABASE_CHECK_INTERVAL
    on_error: Callable[[str], object] | None = None  # called for each request with the name of a database that is away
    on_reconnect: Callable[[str], Awaitable[object]] | None = None  # called with the name of one that answers again

    @property
    def template(self) -> str:
        """The path without patterns, as in documents and limits: `/products/{id}/stock`."""
        return self.path.replace(KEY, "{key}").replace(ID, "{id}")

    @property
    def changes(self) -> bool:
        """Whether it may change data: then pages of other origins are refused, and cookies need a CSRF token."""
        return self.method != "GET"

    @property
    def errors(self) -> Codes:
        """All codes that a request may be answered with."""
        found = ALWAYS | self.raises
        if self.limit:
            found |= {Code.RATE_LIMIT_EXCEEDED}
        if self.body or self.query or self.idempotent:
            found |= {Code.INVALID_PAYLOAD}
        if self.body:
            found |= {Code.PAYLOAD_TOO_LARGE}
        if "{" in self.template:
            found |= {Code.NOT_FOUND}
        if self.changes:
            found |= {Code.FORBIDDEN}
        if self.signed:
            found |= {Code.AUTH_REQUIRED}
        if self.who is not None:
            found |= CSRF if self.changes else NOTHING
            found |= NOTHING if self.lenient else CREDENTIALS
        return found
