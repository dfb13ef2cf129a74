"""What a resource declares: its routes, and what a handler is given and gives back. Read by the dispatcher."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from aiohttp import web

from gateway.errors import AuthRequired, InvalidPayload
from gateway.protocol.queries import Query
from gateway.protocol.wire import Payload, Request
from gateway.security.principal import Principal, Roles

API = "/api/v1"
LINES = "application/x-ndjson"  # what an answer of any length is

# Path segments. What does not fit is not found, before anybody is asked about it.
KEY = "{key:[A-Za-z0-9_-]{1,64}}"
ID = "{id:[A-Za-z0-9_-]{1,64}}"

# How often one client may use one route: so many times HTTP_RATE_LIMIT.
READS = 12  # 120 a minute by default: a person who looks around, with a few tabs
WRITES = 6  # 60 a minute by default: what an admin or a host changes by hand or with a small script

IDEMPOTENCY = "Idempotency-Key"  # the header
IDEMPOTENCY_KEY = r"[!-~]{1,128}"

B = TypeVar("B")
Q = TypeVar("Q")


@dataclass(frozen=True, slots=True)
class Call(Generic[B, Q]):
    """One request, parsed and allowed."""

    request: web.Request
    body: B
    query: Q
    address: str  # of the client, behind the proxies we trust
    caller: Principal | None = None

    @property
    def principal(self) -> Principal:
        """Who calls; on routes that ask who."""
        if self.caller is None:
            raise AuthRequired("No token provided")
        return self.caller

    @property
    def idempotency_key(self) -> str | None:
        """What the client calls this request, so that it is done once. Raises InvalidPayload for what is no key."""
        match self.request.headers.getall(IDEMPOTENCY, []):
            case []:
                return None
            case [key] if re.fullmatch(IDEMPOTENCY_KEY, key):
                return key
        raise InvalidPayload(details=[{"field": IDEMPOTENCY, "problem": "not one word of at most 128 characters"}])

    def path(self, name: str) -> str:
        """A segment of the path."""
        return self.request.match_info[name]


class Cookie(NamedTuple):
    """A cookie to set, or with `seconds` 0 to remove."""

    name: str
    value: str
    seconds: int
    http_only: bool = True


class Reply(NamedTuple):
    """An answer that is more than its body."""

    body: Payload | None
    status: int | None = None  # None: the route's own
    cookies: tuple[Cookie, ...] = ()


class Lines(NamedTuple):
    """An answer of any length: each item is sent as a line of JSON when it is made."""

    items: AsyncIterator[Payload]
    filename: str  # by which a browser saves it


Handler = Callable[[Call[Any, Any]], Awaitable[Payload | Reply | Lines | None]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API: its shape, who may use it, how often, and its handler."""

    method: str
    path: str  # below API
    handler: Handler
    body: type[Request] | None = None
    query: type[Query] | None = None
    answer: type[Payload] | None = None  # None: no content
    lines: type[Payload] | None = None  # of what each line is where the answer may be lines of JSON instead
    who: Roles | None = None  # None: anyone, no token is looked at
    lenient: bool = False  # a token that is refused or missing makes no caller instead of an error
    limit: int = 1  # times HTTP_RATE_LIMIT; 0: exempt
    status: int = 200
    signed: Callable[[Mapping[str, str], bytes], None] | None = None  # raises for a body that is not from who it should
    idempotent: bool = False  # an Idempotency-Key says that two requests are the same one

    @property
    def template(self) -> str:
        """The path as documents and limits name it: `/products/{id}/stock`."""
        return self.path.replace(KEY, "{key}").replace(ID, "{id}")
