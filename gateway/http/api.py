"""Puts the HTTP side together and onto an application. Called by the composition root, through `gateway.http.mount`."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from aiohttp import web

from gateway.http.auth import Auth, Guests
from gateway.http.cors import Cors
from gateway.http.dispatch import Authenticator, Dispatcher
from gateway.http.featured import Featured, FeaturedService
from gateway.http.health import Health, Readiness
from gateway.http.keys import Keys
from gateway.http.metrics import PATH, GuardedMetrics
from gateway.http.middlewares import Edge
from gateway.http.openapi import document
from gateway.http.orders import Orders, OrderService
from gateway.http.products import Catalog, Products
from gateway.http.routes import API
from gateway.http.streams import Streams, StreamService
from gateway.http.users import Accounts, Directory, Users
from gateway.metrics import Metrics
from gateway.security.csrf import Csrf
from gateway.security.limits import Limiter
from gateway.security.origins import Origins
from gateway.settings import Settings

DOCUMENT = "/api/docs/openapi.json"


def mount(
    app: web.Application,
    *,
    settings: Settings,
    metrics: Metrics,
    origins: Origins,
    readiness: Readiness,
    authenticator: Authenticator,
    limiter: Limiter,
    public_keys: Callable[[], dict[str, Any]],
    accounts: Accounts,
    guests: Guests,
    directory: Directory,
    streams: StreamService,
    catalog: Catalog,
    featured: FeaturedService,
    orders: OrderService,
) -> None:
    """Add the edge, the API, the metrics and outside production the OpenAPI document to an application before it runs.

    Whatever else the application serves is inside the edge, too. The metrics are here unless they have their own port.
    """
    Edge(Cors(origins), metrics, production=settings.production).mount(app)
    csrf = Csrf(settings.csrf_enabled)
    dispatcher = Dispatcher(settings, authenticator, limiter, csrf, metrics)
    resources = (
        Health(readiness),
        Auth(accounts, guests, csrf, settings),
        Keys(public_keys),
        Users(accounts, directory),
        Streams(streams),
        Products(catalog),
        Featured(featured),
        Orders(orders),
    )
    routes = [route for resource in resources for route in resource.routes()]
    for route in routes:
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            app.router.add_route(method, API + route.path, dispatcher.serve(route))
    if settings.metrics_port is None:
        token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
        app.router.add_get(PATH, GuardedMetrics(metrics, token).get)
    if not settings.production:
        described = document(routes, version("dorami-gateway"))

        async def openapi(_request: web.Request) -> web.Response:
            return web.json_response(described)

        app.router.add_get(DOCUMENT, openapi)
