"""The path of every API request: origin, authentication, rate limit, shape, handler, JSON. Made by `mount`.

Errors are raised; the middleware answers them.
"""

import asyncio
import math
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from functools import partial

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import MultiDict
from pydantic import ValidationError

from gateway.errors import Code, Forbidden, GatewayError, InvalidPayload, RateLimited, Unavailable
from gateway.http.lines import send_lines
from gateway.http.routes import Call, Cookie, Lines, Reply, Route
from gateway.metrics import Metrics
from gateway.postgres.connections import Databases
from gateway.protocol.answers import payload_error
from gateway.protocol.bounds import MAX_BODY_VALUES, MAX_FIELDS, check_values
from gateway.protocol.queries import Query
from gateway.protocol.wire import Request
from gateway.security.browsers.client_address import client_address, limit_subjects
from gateway.security.browsers.cookies import read_cookies
from gateway.security.browsers.csrf import Csrf
from gateway.security.limits.limits import Limiter
from gateway.security.principal import Principal
from gateway.security.tokens.authenticator import Authenticator, authenticate_first, extract_tokens
from gateway.settings import Settings

MAX_BODY = 131_072  # bytes; the largest request is a product with 20 picture addresses and a description
BODY_SECONDS = 10.0  # for a body to arrive

log = structlog.get_logger()

_TRACKER = re.compile(r"utm_.*|_|fbclid|gclid", re.DOTALL)
NO_COOKIES: MultiDict[str] = MultiDict()
RATE_HEADERS = web.RequestKey("rate_headers", dict[str, str])  # `RateLimit-*`, for every answer to the request


class Dispatcher:
    """Serves declared routes."""

    def __init__(
        self,
        settings: Settings,
        authenticator: Authenticator,
        limiter: Limiter,
        csrf: Csrf,
        metrics: Metrics,
        databases: Databases,
    ) -> None:
        self._authenticator = authenticator
        self._limiter = limiter
        self._csrf = csrf
        self._metrics = metrics
        self._databases = databases
        self._rate = settings.http_rate_limit
        self._trusted = settings.trusted_proxies
        self._secure = settings.production
        self._prefix, self._domain = settings.cookie_prefix, settings.cookie_domain
        self._undeclared: set[tuple[str, Code]] = set()  # already logged
        self._seconds = settings.handler_timeout.total_seconds()

    def serve(self, route: Route) -> Handler:
        """Return the aiohttp handler of a route. Called once for each route."""
        if route.on_reconnect is not None:
            for name in route.databases:
                self._databases.on_reconnect(name, partial(route.on_reconnect, name))

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await self._serve(route, request)
            except GatewayError as error:
                if isinstance(error, RateLimited):  # of the route or of the service; that replaces the route's headers
                    request[RATE_HEADERS] = rate_headers(error.limit, 0, error.retry_after_ms)
                if error.code not in route.errors:
                    self._report_undeclared(route, error)
                raise

        return handle

    def _report_undeclared(self, route: Route, error: GatewayError) -> None:
        name = f"{route.method} {route.template}"
        if (name, error.code) not in self._undeclared:
            self._undeclared.add((name, error.code))
            log.error("a code was answered that is not declared", route=name, code=error.code)

    async def _serve(self, route: Route, request: web.Request) -> web.StreamResponse:
        self._csrf.check_page(request.method, request.headers)
        address = client_address(request.remote, request.headers.getall("X-Forwarded-For", []), self._trusted)
        caller = await self._authenticate(route, request)
        for subject, times in [(caller.user_id, 1)] if caller else limit_subjects(address):
            await self._charge(route, request, subject, times)
        raw = await _read(request) if route.body else b""
        if route.signed:
            route.signed(request.headers, raw)
        body = parse_body(route.body, raw) if route.body else None
        query = parse_query(route.query, request.query) if route.query else None
        try:
            async with asyncio.timeout(self._seconds):
                away = await self._away(route) if route.databases else frozenset[str]()
                answer = await route.handler(Call(request, body, query, address, caller, away))
        except TimeoutError:
            raise Unavailable("handler") from None
        if isinstance(answer, Lines):
            return await send_lines(request, answer)
        return self._answer(route, request, answer if isinstance(answer, Reply) else Reply(answer))

    async def _away(self, route: Route) -> frozenset[str]:
        """Return the databases of a route that do not answer. Raises Unavailable unless it continues without them."""
        away = set()
        for name in route.databases:
            try:
                await self._databases.client(name, route.check_interval)
            except Unavailable:
                if route.on_error is not None:
                    route.on_error(name)
                if not route.continue_on_failure:
                    raise
                away.add(name)
        return frozenset(away)

    async def _authenticate(self, route: Route, request: web.Request) -> Principal | None:
        if route.who is None:
            return None
        cookies = read_cookies(request.headers, self._prefix)
        tokens = extract_tokens(None, request.headers, cookies)
        try:
            principal = await authenticate_first(self._authenticator, tokens)
        except GatewayError as error:
            if route.lenient and error.status < 500:
                return None
            raise
        if not extract_tokens(None, request.headers, NO_COOKIES):  # authenticated by a cookie
            self._csrf.check(request.method, request.headers, cookies)
        if principal.must_change_password and not route.first_password:
            raise Forbidden("The password must be changed first")
        if principal.role not in route.who:
            raise Forbidden
        return principal

    async def _charge(self, route: Route, request: web.Request, subject: str, times: int) -> None:
        if not route.limit:
            return
        count, seconds = self._rate
        limit = count * route.limit * times
        try:
            left = await self._limiter.charge(f"http:{route.method} {route.template}", subject, limit, seconds)
        except RateLimited:
            self._metrics.limited.labels("http").inc()
            raise
        if times == 1:
            request[RATE_HEADERS] = rate_headers(left.limit, left.remaining, left.reset_ms)

    def _answer(self, route: Route, request: web.Request, reply: Reply) -> web.Response:
        if reply.body is None:
            response = web.Response(status=reply.status or 204)
        else:
            text = reply.body.model_dump_json()
            response = web.Response(text=text, status=reply.status or route.status, content_type="application/json")
        for cookie in reply.cookies:
            self._set_cookie(response, cookie, secure=self._secure or request.secure)
        response.headers["Cache-Control"] = "no-store"  # answers hold tokens, and lists change at any time
        return response

    def _set_cookie(self, response: web.Response, cookie: Cookie, *, secure: bool) -> None:
        response.set_cookie(
            self._prefix + cookie.name,
            cookie.value,
            max_age=cookie.seconds,
            path="/",  # a proxy may rewrite paths
            domain=self._domain,
            httponly=cookie.http_only,
            secure=secure,
            samesite="Lax",
        )


def rate_headers(limit: int, remaining: int, reset_ms: int) -> dict[str, str]:
    """Return the `RateLimit-*` headers; the reset is in whole seconds from now."""
    return {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(math.ceil(reset_ms / 1000)),
    }


def parse_body(shape: type[Request], raw: bytes) -> Request:
    """Parse a JSON body; an empty one counts as `{}`.

    Raises InvalidPayload, or the error that a validator of the shape names.
    """
    raw = raw.removeprefix(BOM_UTF8) or b"{}"
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise InvalidPayload("The body is not valid JSON") from None
    check_values(value, MAX_BODY_VALUES)
    if rb"\u0000" in raw:
        _refuse_nul(value)
    try:
        return shape.model_validate_json(raw)
    except ValidationError as error:
        raise payload_error(error) from None


def parse_query(shape: type[Query], query: Mapping[str, str]) -> Query:
    """Parse a query string. Raises InvalidPayload, also for a repeated name.

    A parameter without a value counts as missing. Parameters that trackers append to links are ignored.
    """
    if len(query) > MAX_FIELDS:
        raise InvalidPayload("The query has too many parameters")
    pairs = [(name, value) for name, value in query.items() if value and not _TRACKER.fullmatch(name)]
    given = dict(pairs)
    if len(given) != len(pairs):
        raise InvalidPayload("A parameter occurs twice in the query")
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        raise payload_error(error) from None


def _refuse_nul(body: object) -> None:
    """Raise InvalidPayload for text with a NUL, which PostgreSQL cannot store. `body` is parsed JSON."""
    pending = [body]
    while pending:
        value = pending.pop()
        if isinstance(value, str) and "\0" in value:
            raise InvalidPayload("Text must not contain NUL characters")
        if isinstance(value, dict):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            pending += value


async def _read(request: web.Request) -> bytes:
    """Read the body. Raises an error if it is not JSON, too large or too slow."""
    if not request.body_exists:
        return b""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(reason="The body must be application/json")
    if (request.content_length or 0) > MAX_BODY:
        raise GatewayError(Code.PAYLOAD_TOO_LARGE)
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > MAX_BODY:  # the request had no Content-Length
                    raise GatewayError(Code.PAYLOAD_TOO_LARGE)
                chunks.append(chunk)
    except TimeoutError:
        raise web.HTTPRequestTimeout(reason="The body did not arrive in time") from None
    except (web.RequestPayloadError, ConnectionResetError):
        raise InvalidPayload("The body did not arrive whole") from None
    return b"".join(chunks)
