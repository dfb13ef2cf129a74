"""The one path every request of the API takes: page → who → limit → shape → handler → JSON. Made by mount().

Errors are raised; the edge around it (middlewares.py) answers them.
"""

import asyncio
import math
import re
from codecs import BOM_UTF8
from collections.abc import Mapping

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import MultiDict
from pydantic import ValidationError

from gateway.errors import Code, Forbidden, GatewayError, InvalidPayload, RateLimited, Unavailable
from gateway.http.lines import send_lines
from gateway.http.routes import Call, Cookie, Lines, Reply, Route
from gateway.metrics import Metrics
from gateway.protocol.answers import misfit
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
BODY_SECONDS = 10.0  # for a body to arrive; who is slower holds a connection for nothing

_TRACKER = re.compile(r"utm_.*|_|fbclid|gclid", re.DOTALL)
NO_COOKIES: MultiDict[str] = MultiDict()
RATE_HEADERS = web.RequestKey("rate_headers", dict[str, str])  # what the limits say, for every answer to the request


class Dispatcher:
    """Serves declared routes."""

    def __init__(
        self, settings: Settings, authenticator: Authenticator, limiter: Limiter, csrf: Csrf, metrics: Metrics
    ) -> None:
        self._authenticator = authenticator
        self._limiter = limiter
        self._csrf = csrf
        self._metrics = metrics
        self._rate = settings.http_rate_limit
        self._trusted = settings.trusted_proxies
        self._secure = settings.production
        self._prefix, self._domain = settings.cookie_prefix, settings.cookie_domain
        self._seconds = settings.handler_timeout.total_seconds()

    def serve(self, route: Route) -> Handler:
        """What aiohttp calls for one route."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await self._work(route, request)
            except RateLimited as error:  # by the route's limit or by one of the service, which then is the nearer one
                request[RATE_HEADERS] = rate_headers(error.limit, 0, error.retry_after_ms)
                raise

        return handle

    async def _work(self, route: Route, request: web.Request) -> web.StreamResponse:
        self._csrf.check_page(request.method, request.headers)
        address = client_address(request.remote, request.headers.getall("X-Forwarded-For", []), self._trusted)
        caller = await self._admit(route, request)
        for subject, times in [(caller.user_id, 1)] if caller else limit_subjects(address):
            await self._charge(route, request, subject, times)
        raw = await _read(request) if route.body else b""
        if route.signed:
            route.signed(request.headers, raw)
        body = parse_body(route.body, raw) if route.body else None
        query = parse_query(route.query, request.query) if route.query else None
        try:
            async with asyncio.timeout(self._seconds):
                answer = await route.handler(Call(request, body, query, address, caller))
        except TimeoutError:
            raise Unavailable("handler") from None
        if isinstance(answer, Lines):
            return await send_lines(request, answer)
        return self._answer(route, request, answer if isinstance(answer, Reply) else Reply(answer))

    async def _admit(self, route: Route, request: web.Request) -> Principal | None:
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
        if not extract_tokens(None, request.headers, NO_COOKIES):  # it was a cookie that spoke
            self._csrf.check(request.method, request.headers, cookies)
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
            self._set(response, cookie, secure=self._secure or request.secure)
        response.headers["Cache-Control"] = "no-store"  # answers hold tokens, and what they list changes any moment
        return response

    def _set(self, response: web.Response, cookie: Cookie, *, secure: bool) -> None:
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
    """`RateLimit-*`; the reset is in whole seconds from now."""
    return {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(math.ceil(reset_ms / 1000)),
    }


def parse_body(shape: type[Request], raw: bytes) -> Request:
    """The JSON body; none at all is an empty object.

    Raises InvalidPayload, or the error whose code a check of the shape names.
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
        raise misfit(error) from None


def parse_query(shape: type[Query], query: Mapping[str, str]) -> Query:
    """What stands behind the `?`. Raises InvalidPayload, also for a name that stands there twice.

    A parameter without a value counts as not given, and what trackers append to the addresses of pages is ignored.
    """
    if len(query) > MAX_FIELDS:
        raise InvalidPayload("The query has too many parameters")
    pairs = [(name, value) for name, value in query.items() if value and not _TRACKER.fullmatch(name)]
    given = dict(pairs)
    if len(given) != len(pairs):
        raise InvalidPayload("A name stands twice in the query")
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        raise misfit(error) from None


def _refuse_nul(body: object) -> None:
    """PostgreSQL stores no text with a NUL in it, so none is taken; an escaped backslash before `u0000` is harmless."""
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
    """The whole body, as far as it is JSON, not too long and not too slow."""
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
                if size > MAX_BODY:  # no length was given, or it was unpacked
                    raise GatewayError(Code.PAYLOAD_TOO_LARGE)
                chunks.append(chunk)
    except TimeoutError:
        raise web.HTTPRequestTimeout(reason="The body did not arrive in time") from None
    except (web.RequestPayloadError, ConnectionResetError):
        raise InvalidPayload("The body did not arrive whole") from None
    return b"".join(chunks)
