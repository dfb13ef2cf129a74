"""Joining the product room of a stream, and the order events of administrators. Called by the `/` namespace."""

from functools import partial

from gateway.keys import admins_room, products_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads import catalog
from gateway.protocol.payloads.catalog import JoinStream, StreamJoined
from gateway.protocol.payloads.orders import JoinOrders, OrdersJoined
from gateway.protocol.wire import Payload, Since
from gateway.realtime.logged import Place
from gateway.security.principal import Principal
from gateway.services.commerce.products import ProductViews
from gateway.services.rooms.cache import RoomCache
from gateway.services.rooms.catch_up import CatchUp
from gateway.services.rooms.log import RoomLog
from gateway.services.streams.streams import Streams
from models.main.product import Product

SHOWN = 200  # products in the ack of a join; a stream sells a few dozen


class Shelf(Payload):
    """The products of a stream in their sort order, and the featured one."""

    products: list[catalog.Product]
    featured: catalog.Product | None


class ShelfCache(RoomCache[Shelf]):
    """The shelves of streams, by their rooms."""

    def __init__(self, metrics: Metrics, log: RoomLog) -> None:
        super().__init__(metrics, "shelves", log)


class Storefront:
    """Answers the joins of `/`. Raises Unavailable."""

    def __init__(
        self, database: Database, log: RoomLog, streams: Streams, shelves: ShelfCache, views: ProductViews
    ) -> None:
        self._database = database
        self._catch_up = CatchUp(log)
        self._streams = streams
        self._shelves = shelves
        self._views = views

    async def check_join(self, key: str) -> None:
        """Raise NotFound if there is no such stream."""
        await self._streams.require(key)

    async def resumes(self, request: JoinStream) -> bool:
        """Return whether the log still has all events that the client missed."""
        if request.since is None:
            return False
        return (await self._catch_up.position(products_room(request.stream_id), request.since)).events is not None

    async def snapshot(self, key: str, since: Since | None) -> StreamJoined:
        """Return the ack of a join, for a socket that receives the room's events already."""
        room = products_room(key)
        # Read the place before the products. A change in between is also received as an event, with the same version.
        cursor, events = await self._catch_up.position(room, since)
        shelf = await self._shelves.read(room, "shelf", partial(self._shelf, key), Place(cursor.epoch, cursor.seq))
        return StreamJoined(
            room=room.name,
            products=shelf.products,
            featured=shelf.featured,
            cursor=cursor,
            recovered=events is not None,
            events=events,
        )

    async def resumes_orders(self, request: JoinOrders) -> bool:
        """Return whether the log still has all order events that the client missed."""
        if request.since is None:
            return False
        return (await self._catch_up.position(admins_room(), request.since)).events is not None

    async def orders(self, _admin: Principal, request: JoinOrders) -> OrdersJoined:
        """Return the ack of `join:orders`. Administrators receive order events from their connect on."""
        cursor, events = await self._catch_up.position(admins_room(), request.since)
        return OrdersJoined(room=admins_room().name, cursor=cursor, recovered=events is not None, events=events)

    async def close(self) -> None:
        """Refuse further joins."""
        await self._catch_up.close()

    async def _shelf(self, key: str) -> Shelf:
        async with self._database.guard("storefront.shelf"):
            products = await Product.filter(stream_id=key).order_by("sort_order", "id").limit(SHOWN)
            featured = await Product.filter(featured_in__key=key).first()
        view = self._views.view
        return Shelf(products=[view(product) for product in products], featured=view(featured) if featured else None)
