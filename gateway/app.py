"""The composition root: settings in, one node out, made of parts. Called by the command line."""

import asyncio
import platform
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path

import structlog
from aiohttp import web

from gateway import __version__, http
from gateway.concurrency.loop_lag import LoopLag
from gateway.concurrency.timeouts import wait_until
from gateway.http.console import mount_console
from gateway.http.pages import mount_pages
from gateway.http.resources.metrics import metrics_app
from gateway.machine import python_build
from gateway.metrics import Metrics
from gateway.parts.accounts import AccountsPart
from gateway.parts.chat import ChatPart
from gateway.parts.commerce import CommercePart
from gateway.parts.health import HealthPart
from gateway.parts.people import PeoplePart
from gateway.parts.realtime import RealtimePart
from gateway.parts.servers import ServersPart
from gateway.parts.upkeep import UpkeepPart
from gateway.process import lifespan, sd_notify
from gateway.process.descriptors import DescriptorWatch, raise_limit
from gateway.process.lifespan import Step
from gateway.process.listener import Listener, OwnListener
from gateway.services.streams.member_counts import MemberCounts
from gateway.settings import Settings
from namespaces import asyncapi
from namespaces.chat import ChatNamespace
from namespaces.pipeline import Shared
from namespaces.root import RootNamespace
from namespaces.routes import Limit
from namespaces.streaming import StreamingNamespace

log = structlog.get_logger()

PACKAGE = Path(str(files("gateway")))
WEB, CONSOLE = PACKAGE / "web", PACKAGE / "console"  # package data: a wheel has it, too


class Node:
    """One gateway process, wired but not open. The constructor does no I/O.

    Without `listener`, that of a worker, the node listens by itself.
    """

    def __init__(self, settings: Settings, listener: Listener | None = None) -> None:
        self._settings = settings
        self._listener = listener or OwnListener(settings)
        servers = self._servers = ServersPart(settings)
        realtime = self._realtime = RealtimePart(servers, self._listener.sid_prefix)
        accounts = self._accounts = AccountsPart(servers, realtime)
        commerce = self._commerce = CommercePart(servers, realtime)
        chat = self._chat = ChatPart(servers, realtime, accounts)
        people = self._people = PeoplePart(servers, realtime, accounts, commerce, chat)
        self._upkeep = UpkeepPart(servers)
        self._health = HealthPart(servers, realtime)
        self._member_counts = MemberCounts(realtime.presence, realtime.fanout)

        shared = Shared(
            authenticator=accounts.authenticator,
            limiter=accounts.limiter,
            registry=accounts.registry,
            metrics=servers.metrics,
            rates={
                Limit.MESSAGE: settings.chat_rate_limit,
                Limit.EVENT: settings.event_rate_limit,
                Limit.JOIN: settings.join_rate_limit,
                Limit.REPORT: settings.report_rate_limit,
                Limit.REFUSED: settings.refused_rate_limit,
            },
            handler_timeout=settings.handler_timeout,
        )
        namespaces = (
            RootNamespace(shared, self._member_counts, commerce.storefront),
            ChatNamespace(shared, self._member_counts, chat.chat, chat.reports, chat.moderation, chat.rights),
            StreamingNamespace(shared, commerce.viewers, commerce.hearts),
        )
        for namespace in namespaces:
            realtime.server.serve(namespace.name, namespace)

        path = realtime.engine.options.path
        app = web.Application()
        http.mount(
            app,
            settings=settings,
            metrics=servers.metrics,
            scrape=self._scrape,
            databases=servers.databases,
            origins=realtime.origins,
            readiness=self._health.readiness,
            authenticator=accounts.authenticator,
            limiter=accounts.limiter,
            public_keys=accounts.tokens.public_keys,
            accounts=accounts.accounts,
            guests=accounts.guests,
            devices=accounts.devices,
            directory=accounts.directory,
            notifications=accounts.notifications,
            streams=commerce.streams,
            stream_lists=commerce.stream_lists,
            copies=commerce.copies,
            ingest_keys=commerce.ingest_keys,
            catalog=commerce.catalog,
            product_list=commerce.product_list,
            featured=commerce.featured,
            orders=commerce.orders,
            order_list=commerce.order_list,
            jobs=commerce.jobs,
            stats=commerce.stats,
            people=people.people,
            connections=people.connections,
            nodes=people.nodes,
            members=people.members,
            password_links=accounts.password_links,
            messages=chat.search,
            audit_log=servers.audit_log,
            word_lists=chat.words,
            sanctions=chat.moderation.sanctions,
            sanction_list=chat.sanction_list,
            report_reviews=chat.report_reviews,
            asyncapi=partial(asyncapi.document, namespaces, shared.rates, path),
            web_folder=WEB,
        )
        realtime.async_server.attach(app, path)
        if settings.serves_shop:
            mount_pages(app, WEB / "shop", settings.media_folder, settings.image_origins)
        if settings.console:
            mount_console(app, CONSOLE, settings.image_origins)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        self._metrics_runner = web.AppRunner(metrics_app(self._scrape), access_log=None, handle_signals=False)
        self._descriptors = DescriptorWatch(servers.metrics)
        self._lag = LoopLag()
        servers.metrics.loop_lag.set_function(lambda: self._lag.seconds)

    @property
    def application(self) -> web.Application:
        """The HTTP application, for tools that read its documents."""
        return self._runner.app

    @property
    def url(self) -> str:
        """The address on this machine, known once the node listens: a URL, or `unix:` and a path."""
        return self._listener.url

    @property
    def metrics(self) -> Metrics:
        """The node's metrics."""
        return self._servers.metrics

    @property
    def ready(self) -> bool:
        """Whether balancers should send traffic to the node."""
        return self._health.readiness.ready

    @property
    def connections(self) -> int:
        """The number of open Engine.IO connections."""
        return len(self._realtime.engine.connections)

    # --- opening and closing ---

    def steps(self) -> list[Step]:
        """Return the steps in the order of opening.

        The database is first: Tortoise keeps its state in the context that opens it.
        """
        return [
            Step("database", self._servers.databases.open, self._servers.databases.close),
            Step("http", self._listen, self._close_http),
            Step("redis", self._open_redis, self._close_redis),
            Step("socket.io", self._open_services, self._close_services),
        ]

    async def _listen(self) -> None:
        self._realtime.server.refusing = True  # until all steps are open
        raise_limit()
        self._descriptors.start()
        self._lag.start()
        await self._runner.setup()
        http_protocol = self._runner.server
        if http_protocol is None:
            raise RuntimeError("aiohttp made no server")
        await self._listener.open(self._realtime.engine, http_protocol, self._metrics_runner)

    async def _close_http(self) -> None:
        self._listener.close()
        self._realtime.engine.abort_fronts()  # aiohttp must get no connection after its shutdown
        self._lag.close()
        await self._descriptors.close()
        await self._runner.cleanup()
        await self._metrics_runner.cleanup()

    async def _open_redis(self) -> None:
        await self._servers.redis.open()
        await self._servers.clocks.start()
        await self._realtime.open()

    async def _close_redis(self) -> None:
        await self._accounts.close()
        await self._realtime.close()
        await self._servers.clocks.close()
        await self._servers.heartbeat_redis.close()
        await self._servers.redis.close()

    async def _open_services(self) -> None:
        self._accounts.start()
        self._commerce.start()
        await self._chat.start()
        self._people.start()
        self._upkeep.start()
        await self._realtime.recovery.start()
        await self._health.start()
        await self._listener.serve()

    async def drain(self, hurry: asyncio.Event) -> None:
        """Wait until balancers have noticed that the node is not ready, then close its connections.

        `hurry` ends the waiting.
        """
        await self._health.drain()
        if self._listener.others:  # other workers share the port: no balancer has to notice
            self._listener.retire()
        else:
            await wait_until(asyncio.get_running_loop().time() + self._settings.drain_delay.total_seconds(), hurry)
        await self._realtime.server.drain(self._settings.drain_spread.total_seconds(), hurry)
        if self._listener.others and not hurry.is_set():
            await self._listener.finish_requests()

    async def _close_services(self) -> None:
        await self._health.close()
        await self._realtime.server.shutdown()
        await self._upkeep.close()
        await self._people.close()
        await self._chat.close()
        await self._commerce.close()
        await self._member_counts.close()
        await self._realtime.recovery.close()
        await self._accounts.stop()

    async def _scrape(self) -> bytes:
        return await self._listener.scrape(self._servers.metrics)


async def serve(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Run one node until SIGTERM or SIGINT; call `ready` with its URL once it accepts clients.

    Raises the error of a step that fails to open, after closing the open steps.
    """
    node = Node(settings)

    def announce() -> None:
        log.info("serving", version=__version__, url=node.url, python=f"{platform.python_version()}, {python_build()}")
        sd_notify.notify(sd_notify.READY)
        if ready is not None:
            ready(node.url)

    async def drain(hurry: asyncio.Event) -> None:
        sd_notify.notify(sd_notify.STOPPING)
        await node.drain(hurry)

    async with sd_notify.watchdog():
        await lifespan.run(node.steps(), within=settings.shutdown_timeout, ready=announce, drain=drain)
