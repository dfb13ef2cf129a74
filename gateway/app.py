"""The composition root: settings in, one node out; the only file that knows every class. Called by the command line."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from aiohttp import web

from gateway import http, lifespan
from gateway.connections.database import Database
from gateway.connections.job_queue import JobQueue
from gateway.connections.redis import Redis
from gateway.http.connection import connections
from gateway.http.metrics import metrics_app
from gateway.http.pages import mount_pages
from gateway.lifespan import Step
from gateway.metrics import Metrics
from gateway.realtime.doorkeeper import Doorkeeper
from gateway.realtime.engine import Engine
from gateway.realtime.fanout_redis import RedisFanout
from gateway.realtime.options import EngineOptions
from gateway.realtime.persons import Persons
from gateway.realtime.presence_redis import RedisPresence
from gateway.realtime.recovery import Recovery
from gateway.realtime.residents import Residents
from gateway.realtime.rooms import Rooms
from gateway.realtime.server import Server
from gateway.realtime.sessions_redis import RedisSessions
from gateway.security.authenticator import Authenticator
from gateway.security.devices import DeviceBook, DeviceNames
from gateway.security.guest_sessions import GuestSessions
from gateway.security.guest_sessions_postgres import StoredGuestSessions
from gateway.security.guest_sessions_redis import GuestTokens
from gateway.security.limits_redis import RedisLimiter
from gateway.security.origins import Origins
from gateway.security.passwords import Passwords
from gateway.security.refresh_tokens import RefreshTokens
from gateway.security.revocations import Revocations
from gateway.security.tokens import Tokens
from gateway.services.accounts import Accounts
from gateway.services.announcements import Announcements
from gateway.services.attendance import Attendance
from gateway.services.authority import Authority
from gateway.services.banned_devices import BannedDevices
from gateway.services.bans import Bans
from gateway.services.cards import Cards
from gateway.services.catalog import Catalog, Pages
from gateway.services.chat import Chat
from gateway.services.clears import Clears
from gateway.services.deletions import Deletions
from gateway.services.deliveries import Deliveries
from gateway.services.directory import Directory
from gateway.services.featured import Featured
from gateway.services.guests import Guests
from gateway.services.identities import Identities
from gateway.services.job_table import JobTable
from gateway.services.jobs import Jobs
from gateway.services.message_search import MessageSearch
from gateway.services.messages import Messages
from gateway.services.moderation_log import ModerationLog
from gateway.services.newest import Newest
from gateway.services.news import News
from gateway.services.notifications import Notifications
from gateway.services.order_writer import OrderWriter
from gateway.services.orders import Orders
from gateway.services.pins import Pins
from gateway.services.retention import Retention
from gateway.services.room_log import RoomLog
from gateway.services.room_settings import RoomRules
from gateway.services.rounds import Rounds
from gateway.services.sanctions import Sanctions
from gateway.services.sessions import Sessions
from gateway.services.storefront import Shelves, Storefront
from gateway.services.streams import STREAM_ENDED, Lists, Streams
from gateway.services.viewers import Viewers
from gateway.services.word_lists import WordLists
from gateway.settings import Settings
from namespaces import asyncapi
from namespaces.base import Limit, Pipeline
from namespaces.chat import ChatNamespace
from namespaces.curation import CurationEvents
from namespaces.moderation import ModerationEvents
from namespaces.root import RootNamespace
from namespaces.streaming import StreamingNamespace

WEB = Path(__file__).parent.parent / "web"


class Node:
    """One gateway process: everything it is made of, not open yet. Building it does no I/O."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        metrics = Metrics()
        node_id = settings.node_id or secrets.token_hex(6)

        self._database = Database(settings, metrics)
        self._redis = Redis(settings, metrics)
        self._beats = Redis(settings.model_copy(update={"redis_pool_size": 2}), metrics)
        self._passwords = Passwords()

        origins = Origins(settings)
        self._rooms = Rooms(metrics)
        self._engine = Engine(
            EngineOptions.of(settings),
            metrics,
            origin_allowed=lambda handshake: origins.allowed(handshake.origin, handshake.host),
        )
        log = RoomLog(self._database)
        self._socket_sessions = RedisSessions(self._redis)
        self._recovery = Recovery(self._rooms, log, self._socket_sessions, settings.recovery_window, metrics)
        self._server = Server(
            self._engine,
            self._rooms,
            metrics,
            cookie_counts=lambda handshake: origins.may_use_cookies(handshake.origin, handshake.host),
            recovery=self._recovery,
        )
        self._fanout = RedisFanout(self._redis, self._rooms, node_id, metrics, log)
        self._presence = RedisPresence(self._redis, node_id, metrics, beats=self._beats)
        self._rooms.watched_by(self._fanout)
        self._rooms.remembered_by(self._recovery)

        limiter = self._limiter = RedisLimiter(self._redis, metrics)
        tokens = Tokens(settings)
        revocations = self._revocations = Revocations(self._redis, settings.jwt_expiration)
        self._residents = Residents(self._server.kick, revocations.revoked, lambda: self._fanout.losses)
        refresh_tokens = RefreshTokens(self._redis, settings.jwt_refresh_expiration)
        sessions = Sessions(refresh_tokens, revocations, self._fanout)
        bans = self._bans = Bans(self._database)
        identities = Identities(self._database, self._redis, metrics)
        accounts = Accounts(
            self._database, sessions, tokens, self._passwords, limiter, bans, identities, settings.jwt_expiration
        )
        names = DeviceNames(settings)
        devices = BannedDevices(
            self._database,
            names,
            DeviceBook(self._redis, names, settings.jwt_refresh_expiration, settings.guest_expiration),
        )
        self._guest_sessions = GuestSessions(
            GuestTokens(self._redis, settings.guest_expiration),
            StoredGuestSessions(self._database, settings.guest_expiration),
            revocations,
        )
        guests = Guests(
            Sessions(self._guest_sessions, revocations, self._fanout),
            tokens,
            limiter,
            bans,
            devices,
            metrics,
            settings.jwt_expiration,
            settings.guest_rate_limit,
        )
        authenticator = Authenticator(tokens, revocations, identities, self._guest_sessions, bans)
        self._fanout.on_notice("revoked", authenticator.revoked)
        self._fanout.on_notice("revoked", self._residents.revoked)
        Doorkeeper(self._residents, self._fanout, self._server.kick, bans.of)

        self._attendance = Attendance(self._presence, self._fanout)
        self._viewers = Viewers(self._database, self._presence, self._fanout)
        self._fanout.on_notice(STREAM_ENDED, self._viewers.ended)
        news = News(log, self._fanout)
        lists = Lists(self._redis, metrics)
        shelves = Shelves(self._redis, metrics, log)
        pages = Pages(self._redis, metrics, log)
        cards = Cards(self._redis, metrics)
        self._caches = (identities, lists, shelves, pages, cards)
        streams = Streams(self._database, news, self._fanout, lists)
        news.read_by(cards.told)
        catalog = Catalog(self._database, log, news, pages, cards)
        featured = Featured(self._database, log, news)
        self._orders = Orders(self._database, log, news, OrderWriter(self._database, news, metrics), metrics)
        authority, record = Authority(self._database), ModerationLog(self._database)
        rules = RoomRules(self._database, log, authority, record, self._fanout)
        pins = Pins(self._database, log, news, authority, record)
        self._pin_rounds = Rounds("pins", 1.0, pins.expire)
        self._words = WordLists(self._database, record, metrics)
        self._retention = Retention(self._database, settings.deletion_retention, metrics)
        deletions = Deletions(self._database, log, news, authority, record, pins, metrics)
        clears = Clears(self._database, log, news, authority, record, pins, metrics)
        messages = Messages(self._database)
        self._newest = Newest(self._database, log, messages, pins, metrics)
        self._chat = Chat(self._database, log, messages, self._newest, rules, self._words, self._fanout)
        moderation = ModerationEvents(
            Sanctions(self._database, log, authority, record, devices, clears, self._fanout, metrics),
            rules,
            Announcements(self._database, log, authority, record, self._fanout),
        )
        storefront = Storefront(self._database, log, streams, shelves)

        notifications = Notifications(self._database, self._fanout)
        self._deliveries = Deliveries(
            self._database,
            Persons(self._residents, self._fanout),
            self._fanout,
            lambda: self._fanout.losses,
            settings.notification_retention,
            metrics,
        )

        pipeline = Pipeline(
            authenticator=authenticator,
            limiter=limiter,
            residents=self._residents,
            metrics=metrics,
            rates={
                Limit.MESSAGE: settings.chat_rate_limit,
                Limit.EVENT: settings.event_rate_limit,
                Limit.JOIN: settings.join_rate_limit,
            },
            handler_timeout=settings.handler_timeout,
        )
        namespaces = (
            RootNamespace(pipeline, self._attendance, storefront),
            ChatNamespace(pipeline, self._attendance, self._chat, moderation, CurationEvents(deletions, clears, pins)),
            StreamingNamespace(pipeline, self._viewers),
        )
        for namespace in namespaces:
            self._server.serve(namespace.name, namespace)

        self._app = web.Application()
        http.mount(
            self._app,
            settings=settings,
            metrics=metrics,
            origins=origins,
            readiness=self,
            authenticator=authenticator,
            limiter=limiter,
            public_keys=tokens.public_keys,
            accounts=accounts,
            guests=guests,
            devices=devices,
            directory=Directory(self._database, sessions, identities),
            streams=streams,
            catalog=catalog,
            featured=featured,
            orders=self._orders,
            notifications=notifications,
            messages=MessageSearch(self._database),
            record=record,
            words=self._words,
            jobs=Jobs(JobTable(self._database), JobQueue(self._redis), streams, self._fanout),
            asyncapi=partial(asyncapi.document, namespaces, pipeline.rates, self._engine.options.path),
            docs_page=WEB / "docs",
        )
        self._app.router.add_route("*", self._engine.options.path, self._engine.handle)
        if settings.serves_demo:
            mount_pages(self._app, WEB)
        self._runner = web.AppRunner(self._app, access_log=None, handle_signals=False)
        self._metrics_runner = web.AppRunner(metrics_app(metrics), access_log=None, handle_signals=False)
        self._listener: asyncio.Server | None = None
        self._open = False

    @property
    def port(self) -> int:
        """The port it listens on, once it does."""
        if self._listener is None:
            raise RuntimeError("the node is not open")
        return int(self._listener.sockets[0].getsockname()[1])

    # --- what it opens and closes ---

    def steps(self) -> list[Step]:
        """In the order of opening. The database comes first: Tortoise keeps its state in the context that opens it."""
        return [
            Step("database", self._database.open, self._close_database),
            Step("http", self._listen, self._close_http),
            Step("redis", self._open_redis, self._close_redis),
            Step("socket.io", self._open_doors, self._close_doors),
        ]

    async def _close_database(self) -> None:
        self._passwords.close()
        await self._bans.close()
        await self._database.close()

    async def _listen(self) -> None:
        self._server.draining = True  # until all is open, the answer is "come back later"
        await self._runner.setup()
        http_protocol = self._runner.server
        if http_protocol is None:
            raise RuntimeError("aiohttp made no server")
        factory = self._engine.protocol_factory(connections(http_protocol))
        loop = asyncio.get_running_loop()
        settings = self._settings
        self._listener = await loop.create_server(factory, settings.host, settings.port, backlog=4096)
        if settings.metrics_port is not None:
            await self._metrics_runner.setup()
            await web.TCPSite(self._metrics_runner, settings.host, settings.metrics_port).start()

    async def _close_http(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()
        await self._metrics_runner.cleanup()

    async def _open_redis(self) -> None:
        await self._redis.open()
        await self._fanout.start()
        await self._presence.start()
        await self._socket_sessions.start()
        self._guest_sessions.start()

    async def _close_redis(self) -> None:
        await self._guest_sessions.close()
        await self._socket_sessions.close()
        await self._limiter.close()
        await self._revocations.close()
        await self._presence.close()
        await self._beats.close()
        await self._fanout.close()
        await self._redis.close()

    async def _open_doors(self) -> None:
        self._residents.start()
        self._viewers.start()
        self._deliveries.start()
        self._pin_rounds.start()
        await self._words.start()
        self._retention.start()
        await self._recovery.start()
        self._server.draining = False
        self._open = True

    async def _close_doors(self) -> None:
        self._open = False
        await self._server.shutdown()
        await self._deliveries.close()
        await self._chat.close()
        await self._newest.close()
        await self._pin_rounds.close()
        await self._words.close()
        await self._retention.close()
        await self._orders.close()
        await self._recovery.close()
        await self._residents.close()
        await self._attendance.close()
        await self._viewers.close()
        for cache in self._caches:
            await cache.close()

    # --- what it knows of itself ---

    @property
    def draining(self) -> bool:
        """Whether it is not open yet, or no more."""
        return not self._open

    async def check(self) -> Mapping[str, bool]:
        """Whether its servers answer. Never raises."""
        database, redis = await asyncio.gather(self._database.ping(), self._redis.ping())
        return {"database": database, "redis": redis and self._fanout.healthy}


async def serve(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Run one node until SIGTERM or SIGINT; `ready` is told its URL once it takes clients.

    Raises what kept it from starting, after closing what had been opened.
    """
    node = Node(settings)

    def tell() -> None:
        if ready is not None:
            host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
            ready(f"http://{host}:{node.port}")

    await lifespan.run(node.steps(), within=settings.shutdown_timeout, ready=tell)
