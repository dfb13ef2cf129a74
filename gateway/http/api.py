"""Adds all HTTP routes and middlewares to an application. Called by the composition root as `gateway.http.mount`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway import __version__
from gateway.http.cors import Cors
from gateway.http.dispatch import Dispatcher
from gateway.http.docs import Document, mount_docs
from gateway.http.middlewares import Edge
from gateway.http.openapi import document
from gateway.http.resources.analytics import Analytics
from gateway.http.resources.auth import Auth
from gateway.http.resources.cluster import Cluster
from gateway.http.resources.config import Config
from gateway.http.resources.featured import Featured
from gateway.http.resources.health import Health
from gateway.http.resources.jobs import Jobs
from gateway.http.resources.keys import Keys
from gateway.http.resources.members import Members
from gateway.http.resources.messages import Messages
from gateway.http.resources.metrics import PATH, GuardedMetrics, Scrape
from gateway.http.resources.moderation import Moderation
from gateway.http.resources.notifications import Notifications
from gateway.http.resources.orders import Orders
from gateway.http.resources.people import People
from gateway.http.resources.products import Products
from gateway.http.resources.reports import Reports as ReportRoutes
from gateway.http.resources.stats import Stats
from gateway.http.resources.streams import Streams
from gateway.http.resources.users import Users
from gateway.http.resources.webhooks import Webhooks
from gateway.http.routes import API
from gateway.metrics import Metrics
from gateway.postgres.connections import Databases
from gateway.postgres.databases import ANALYTICS
from gateway.security.browsers.csrf import Csrf
from gateway.security.browsers.origins import Origins
from gateway.security.limits.limits import Limiter
from gateway.security.tokens.authenticator import Authenticator
from gateway.security.webhooks import WebhookSignature
from gateway.services.accounts.accounts import Accounts
from gateway.services.accounts.directory import Directory
from gateway.services.accounts.guests import Guests
from gateway.services.accounts.password_links import PasswordLinks
from gateway.services.analytics.reports import Reports
from gateway.services.audit.audit_log import AuditLog
from gateway.services.chat.search import MessageSearch
from gateway.services.commerce.catalog import Catalog
from gateway.services.commerce.featured import Featured as FeaturedService
from gateway.services.commerce.order_list import OrderList
from gateway.services.commerce.orders import Orders as OrderService
from gateway.services.commerce.product_list import ProductList
from gateway.services.commerce.stream_copies import StreamCopies
from gateway.services.jobs.jobs import Jobs as JobService
from gateway.services.moderation.banned_devices import BannedDevices
from gateway.services.moderation.report_reviews import ReportReviews
from gateway.services.moderation.sanction_list import SanctionList
from gateway.services.moderation.sanctions import Sanctions
from gateway.services.moderation.word_lists import WordLists
from gateway.services.nodes.node_list import Nodes
from gateway.services.nodes.person_connections import PersonConnections
from gateway.services.nodes.readiness import Readiness
from gateway.services.notifications.notifications import Notifications as NotificationService
from gateway.services.people.members import Members as MembersService
from gateway.services.people.people import People as PeopleService
from gateway.services.streams.ingest_keys import IngestKeys
from gateway.services.streams.stats import Stats as StatsService
from gateway.services.streams.stream_lists import StreamLists
from gateway.services.streams.streams import Streams as StreamService
from gateway.settings import Settings


def mount(
    app: web.Application,
    *,
    settings: Settings,
    metrics: Metrics,
    scrape: Scrape,
    databases: Databases,
    origins: Origins,
    readiness: Readiness,
    authenticator: Authenticator,
    limiter: Limiter,
    public_keys: Callable[[], dict[str, Any]],
    accounts: Accounts,
    guests: Guests,
    devices: BannedDevices,
    directory: Directory,
    streams: StreamService,
    stream_lists: StreamLists,
    copies: StreamCopies,
    ingest_keys: IngestKeys,
    catalog: Catalog,
    product_list: ProductList,
    featured: FeaturedService,
    orders: OrderService,
    order_list: OrderList,
    notifications: NotificationService,
    messages: MessageSearch,
    audit_log: AuditLog,
    word_lists: WordLists,
    sanctions: Sanctions,
    sanction_list: SanctionList,
    report_reviews: ReportReviews,
    jobs: JobService,
    stats: StatsService,
    people: PeopleService,
    connections: PersonConnections,
    nodes: Nodes,
    members: MembersService,
    password_links: PasswordLinks,
    asyncapi: Document,
    web_folder: Path,
) -> None:
    """Add middlewares, the API, the metrics and the API documents to an application.

    Call it before the application runs. The middlewares also wrap every other route of the application. The metrics
    are added unless METRICS_PORT gives them a port of their own.
    """
    Edge(Cors(origins), metrics, production=settings.production).mount(app)
    csrf = Csrf(settings.csrf_enabled, origins)
    dispatcher = Dispatcher(settings, authenticator, limiter, csrf, metrics, databases)
    resources = (
        Health(readiness),
        Auth(accounts, guests, devices, csrf, settings),
        Keys(public_keys),
        Config(settings),
        Users(accounts, directory, password_links),
        Streams(streams, stream_lists, copies, ingest_keys),
        Products(catalog, product_list),
        Featured(featured),
        Orders(orders, order_list),
        Notifications(notifications),
        Messages(messages),
        Moderation(audit_log, word_lists, sanctions, sanction_list),
        ReportRoutes(report_reviews),
        Jobs(jobs),
        Stats(stats),
        Members(members),
        People(people),
        Cluster(nodes, connections),
    )
    routes = [route for resource in resources for route in resource.routes()]
    if ANALYTICS.configured(settings):
        routes += Analytics(Reports(databases)).routes()
    if settings.media_webhook_secret is not None:
        signature = WebhookSignature(settings.media_webhook_secret.get_secret_value())
        routes += Webhooks(streams, signature).routes()
    for route in routes:
        handler = dispatcher.serve(route)
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            app.router.add_route(method, API + route.path, handler)
    if settings.metrics_port is None:
        token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
        app.router.add_get(PATH, GuardedMetrics(scrape, token).get)
    if settings.serves_docs:
        documents: dict[str, Document] = {"openapi": partial(document, routes), "asyncapi": asyncapi}
        seeds = not settings.production
        mount_docs(app, web_folder, __version__, documents, {"try": settings.tries_docs, "seeds": seeds})
