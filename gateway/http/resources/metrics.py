"""`/metrics`: Prometheus text, on a port of its own or beside the API. Has no rate limit."""

import re
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.errors import AuthRequired, Forbidden
from gateway.security.browsers.client_address import loopback

PATH = "/metrics"
Scrape = Callable[[], Awaitable[bytes]]  # returns the Prometheus text
# Headers that proxies add. A request with one comes from elsewhere, although the proxy is on this machine.
_PROXIED = re.compile(
    r"via|cdn-loop|forwarded.*|x-(original-)?forwarded.*|.*(client|connecting|real|remote)[-_]?(ip|addr)", re.IGNORECASE
)


class GuardedMetrics:
    """The metrics beside the API: for holders of METRICS_TOKEN, or without a token for this machine only."""

    def __init__(self, scrape: Scrape, token: str | None) -> None:
        self._scrape = scrape
        self._token = token

    async def get(self, request: web.Request) -> web.Response:
        """Return the metrics. Raises AuthRequired, Forbidden."""
        if self._token is not None:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not secrets.compare_digest(given.encode(errors="replace"), self._token.encode()):
                raise AuthRequired("The metrics token is needed")
        elif not loopback(request.remote) or any(map(_PROXIED.fullmatch, request.headers)):
            raise Forbidden("Metrics are for this machine only, unless METRICS_TOKEN is set")
        return _text(await self._scrape())


def metrics_app(scrape: Scrape) -> web.Application:
    """Return the application of METRICS_PORT: only the metrics, for everyone who can reach the port."""

    async def get(_request: web.Request) -> web.Response:
        return _text(await scrape())

    app = web.Application()
    app.router.add_get(PATH, get)
    return app


def _text(metrics: bytes) -> web.Response:
    return web.Response(body=metrics, headers={"Content-Type": CONTENT_TYPE_LATEST})
