"""What is shown and sold: streams, viewers, products, orders, replays. Built by the composition root."""

from gateway.parts.realtime import RealtimePart
from gateway.parts.servers import ServersPart
from gateway.realtime.notices import StreamEnded
from gateway.redis.job_queue import JobQueue
from gateway.services.commerce.catalog import Catalog, ProductPageCache
from gateway.services.commerce.featured import Featured
from gateway.services.commerce.order_writer import OrderWriter
from gateway.services.commerce.orders import Orders
from gateway.services.commerce.product_cache import ProductCache
from gateway.services.commerce.storefront import ShelfCache, Storefront
from gateway.services.jobs.jobs import Jobs
from gateway.services.jobs.table import JobTable
from gateway.services.rooms.outbox import Outbox
from gateway.services.streams.streams import Streams, UpcomingCache
from gateway.services.streams.viewers import Viewers


class CommercePart:
    """What `/`, `/streaming` and the shop's HTTP routes call."""

    def __init__(self, servers: ServersPart, realtime: RealtimePart) -> None:
        metrics, database, redis, log = servers.metrics, servers.database, servers.redis, servers.log
        fanout = realtime.fanout
        news = Outbox(database, log, fanout)
        lists, cards = UpcomingCache(redis, metrics), ProductCache(redis, metrics)
        pages, shelves = ProductPageCache(redis, metrics, log), ShelfCache(redis, metrics, log)
        self._caches = (lists, cards, pages, shelves)
        news.read_by(cards.told)
        self.streams = Streams(database, news, fanout, lists)
        self.viewers = Viewers(database, realtime.presence, fanout)
        fanout.on_notice(StreamEnded, self.viewers.ended)
        self.catalog = Catalog(database, news, pages, cards)
        self.featured = Featured(news)
        self.storefront = Storefront(database, log, self.streams, shelves)
        self.orders = Orders(database, news, OrderWriter(database, news, metrics), metrics)
        self.jobs = Jobs(JobTable(database), JobQueue(redis), self.streams, fanout)

    def start(self) -> None:
        """Count viewers."""
        self.viewers.start()

    async def close(self) -> None:
        """Place what was ordered, tell what is due, and take nothing more."""
        await self.orders.close()
        await self.viewers.close()
        await self.storefront.close()
        for cache in self._caches:
            await cache.close()
