"""`/metrics`: Prometheus text, on its own port or guarded beside the API. Read by the scraper, never limited."""

import re
import secrets

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.errors import AuthRequired, Forbidden
from gateway.metrics import Metrics
from gateway.security.browsers.client_address import loopback

PATH = "/metrics"
# What proxies say of themselves or of whom they ask for. A proxy on this machine is no scraper.
_PROXIED = re.compile(
    r"via|cdn-loop|forwarded.*|x-(original-)?forwarded.*|.*(client|connecting|real|remote)[-_]?(ip|addr)", re.IGNORECASE
)


class GuardedMetrics:
    """The metrics beside the API: for who knows the token, or without one for this machine alone."""

    def __init__(self, metrics: Metrics, token: str | None) -> None:
        self._metrics = metrics
        self._token = token

    async def get(self, request: web.Request) -> web.Response:
        """Raises AuthRequired or Forbidden."""
        if self._token is not None:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not secrets.compare_digest(given.encode(errors="replace"), self._token.encode()):
                raise AuthRequired("The metrics token is needed")
        elif not loopback(request.remote) or any(map(_PROXIED.fullmatch, request.headers)):
            raise Forbidden("Metrics are for this machine only, unless METRICS_TOKEN is set")
        return _text(self._metrics)


def metrics_app(metrics: Metrics) -> web.Application:
    """The application of METRICS_PORT: nothing but the metrics, open to who can reach the port."""

    async def get(_request: web.Request) -> web.Response:
        return _text(metrics)

    app = web.Application()
    app.router.add_get(PATH, get)
    return app


def _text(metrics: Metrics) -> web.Response:
    return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})
