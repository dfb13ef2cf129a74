"""Streams, viewers, products, orders and jobs. Built by the composition root."""

from gateway.concurrency.periodic import Periodic
from gateway.errors import Unavailable
from gateway.parts.realtime import RealtimePart
from gateway.parts.servers import ServersPart
from gateway.realtime.notices import StreamEnded, StreamResumed
from gateway.redis.job_queue import JobQueue
from gateway.services.commerce.catalog import Catalog
from gateway.services.commerce.featured import Featured
from gateway.services.commerce.host_orders import HostOrders
from gateway.services.commerce.order_book import Terms
from gateway.services.commerce.order_list import OrderList
from gateway.services.commerce.order_writer import OrderWriter
from gateway.services.commerce.orders import Orders
from gateway.services.commerce.product_cache import ProductCache
from gateway.services.commerce.product_list import ProductList, ProductPageCache
from gateway.services.commerce.products import ProductViews
from gateway.services.commerce.storefront import ShelfCache, Storefront
from gateway.services.commerce.stream_copies import StreamCopies
from gateway.services.jobs.jobs import Jobs
from gateway.services.jobs.table import JobTable
from gateway.services.rooms.outbox import Outbox
from gateway.services.streams.hearts import Hearts
from gateway.services.streams.ingest_keys import IngestKeys
from gateway.services.streams.stats import Stats, StatsCache
from gateway.services.streams.stream_lists import StreamListCache, StreamLists
from gateway.services.streams.streams import Streams
from gateway.services.streams.viewers import Viewers

SWEEP = 1.0  # s between two sweeps of interrupted streams, unpaid orders and deals


class CommercePart:
    """The services of `/`, `/streaming` and of the HTTP routes of streams, products, orders and jobs."""

    def __init__(self, servers: ServersPart, realtime: RealtimePart) -> None:
        metrics, database, redis, log = servers.metrics, servers.database, servers.redis, servers.log
        fanout = realtime.fanout
        outbox = Outbox(database, log, fanout)
        list_cache, product_cache = StreamListCache(redis, metrics), ProductCache(redis, metrics)
        pages, shelves = ProductPageCache(metrics, log), ShelfCache(metrics, log)
        stats = StatsCache(redis, metrics)
        self._caches = (list_cache, product_cache, pages, shelves, stats)
        outbox.on_published(product_cache.update)
        settings, audit_log = servers.settings, servers.audit_log
        grace, reopen = settings.stream_end_grace, settings.stream_reopen
        self.stream_lists = StreamLists(database, fanout, list_cache)
        self.streams = Streams(database, outbox, fanout, self.stream_lists, audit_log, grace=grace, reopen=reopen)
        self.copies = StreamCopies(database, self.stream_lists, audit_log)
        self.ingest_keys = IngestKeys(database, audit_log)
        self.viewers = Viewers(database, log, realtime.presence, fanout, realtime.rooms.attendees, servers.facts)
        self.hearts = Hearts(fanout)
        fanout.on_notice(StreamEnded, self.viewers.on_stream_ended)
        fanout.on_notice(StreamResumed, self.viewers.on_stream_resumed)
        views = ProductViews(settings.currency)
        self.catalog = Catalog(database, outbox, views, audit_log)
        self.product_list = ProductList(database, pages, product_cache, views)
        self.featured = Featured(outbox, views)
        self.storefront = Storefront(database, log, self.streams, shelves, views)
        terms = Terms(views, settings.order_ttl, settings.locale)
        writer = OrderWriter(database, outbox, metrics, terms, servers.facts)
        self.orders = Orders(database, outbox, writer, fanout, metrics, views, audit_log, servers.facts)
        self.order_list = OrderList(database)
        outbox.on_published(HostOrders(database, fanout).published)
        self._sweeps = (
            Periodic("interrupted streams", SWEEP, self.streams.end_interrupted, Unavailable),
            Periodic("unpaid orders", SWEEP, self.orders.expire, Unavailable),
            Periodic("deals", SWEEP, self.catalog.end_deals, Unavailable),
        )
        self.stats = Stats(database, realtime.presence, stats)
        self.jobs = Jobs(JobTable(database), JobQueue(redis), self.stream_lists, fanout)

    def start(self) -> None:
        """Start counting viewers, and the sweeps."""
        self.viewers.start()
        for sweep in self._sweeps:
            sweep.start()

    async def close(self) -> None:
        """Place the accepted orders, publish what is pending, and refuse further ones."""
        for sweep in self._sweeps:
            await sweep.close()
        await self.orders.close()
        await self.hearts.close()
        await self.viewers.close()
        await self.storefront.close()
        for cache in self._caches:
            await cache.close()
