"""The HTTP edge in this process with stand-ins behind it, and the check of the error envelope. For the HTTP tests."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.errors import AuthRequired, Code, GatewayError
from gateway.http.cors import Cors
from gateway.http.dispatch import Dispatcher
from gateway.http.middlewares import Edge
from gateway.http.routes import Route
from gateway.metrics import Metrics
from gateway.postgres.connections import Databases
from gateway.security.browsers.csrf import Csrf
from gateway.security.browsers.origins import Origins
from gateway.security.limits.limits import Limiter, MemoryLimiter
from gateway.security.principal import Principal, Role
from gateway.settings import Settings
from tests.doubles import stand_in
from tests.support import make_settings

Client = TestClient[web.Request, web.Application]
ENVELOPE = {"statusCode", "errorCode", "message", "retryable", "requestId", "timestamp"}
PLENTY = "100000/minute"
SECRET = "a secret of tests, long enough for production"


def settings(**changes: Any) -> Settings:
    """Return settings of a node whose servers nobody asks."""
    return make_settings(**{"jwt_secret": SECRET, "http_rate_limit": PLENTY} | changes)


class Callers:
    """An authenticator that believes the role's name as the token of a user of that role; `away` does not answer."""

    async def authenticate(self, token: str | None) -> Principal:
        if token is None:
            raise AuthRequired("No token provided")
        if token == "away":
            raise GatewayError(Code.SERVICE_UNAVAILABLE, retry_after_ms=1500)
        if token not in set(Role):
            raise AuthRequired("Invalid token")
        moment = datetime.now(UTC)
        return Principal(f"id-{token}", token.lower(), Role(token), "s1", moment, moment + timedelta(minutes=15))


def bearer(role: Role) -> dict[str, str]:
    """Return the headers of a caller of that role."""
    return {"Authorization": f"Bearer {role}"}


class NodeServer(TestServer):
    """Serves as a node does: a handler is not cancelled when its client leaves, as aiohttp's own test server does."""

    async def _make_runner(self, **how: Any) -> web.AppRunner:
        as_a_node = {"handler_cancellation": False, "shutdown_timeout": 1.0}  # the latter is for a handler that hangs
        return web.AppRunner(self.app, **how | as_a_node)


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[Client]:
    """Return a client of the application, over a socket; it keeps no cookies."""
    async with TestClient(NodeServer(app), cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


@asynccontextmanager
async def edge(
    routes: Sequence[Route],
    limiter: Limiter | None = None,
    metrics: Metrics | None = None,
    databases: Databases | None = None,
    **changes: Any,
) -> AsyncIterator[Client]:
    """Return a client of nothing but some routes and what surrounds every route."""
    kept, metrics, app = settings(**changes), metrics or Metrics(), web.Application()
    origins = Origins(kept)
    Edge(Cors(origins), metrics, production=kept.production).mount(app)
    dispatcher = Dispatcher(
        kept,
        stand_in(Callers()),
        limiter or MemoryLimiter(),
        Csrf(kept.csrf_enabled, origins),
        metrics,
        databases or stand_in(object()),
    )
    for route in routes:
        app.router.add_route(route.method, route.path, dispatcher.serve(route))
    async with serving(app) as client:
        yield client


async def refused(response: aiohttp.ClientResponse, status: int, code: str, message: str | None = None) -> Any:
    """Check that an answer is this error in the common body, and return its details."""
    text = await response.text()
    assert response.status == status, text
    assert response.content_type == "application/json", text
    body = await response.json()
    assert set(body) - {"details", "retryAfterMs"} == ENVELOPE, body
    assert "retryAfterMs" not in body or body["retryable"], body
    assert body["statusCode"] == status
    assert body["errorCode"] == code, body
    assert body["requestId"] == response.headers["X-Request-ID"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
    assert "Traceback" not in text
    if message is not None:
        assert body["message"] == message
    return body.get("details")
