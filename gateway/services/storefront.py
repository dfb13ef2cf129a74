"""The products of a stream as those see them who follow it. Called by the `/` namespace."""

from typing import Any, Protocol

from gateway.connections.database import Database
from gateway.keys import Room, products_room
from gateway.protocol.catalog import StreamJoined
from gateway.protocol.wire import Since
from gateway.security.principal import Principal
from gateway.services.catalog import view
from gateway.services.room_log import RoomLog
from models.product import Product

SHOWN = 200  # products that a join answers with; a stream sells a few dozen


class Streams(Protocol):
    """Knows the streams."""

    async def require(self, key: str) -> Any:
        """Raises NotFound for a key that is none."""


class Attendance(Protocol):
    """Counts who is in a room and tells the room. Never raises."""

    async def entered(self, room: Room, user_id: str) -> int: ...
    async def left(self, room: Room, user_id: str) -> int: ...
    async def became(self, room: Room, before: str, after: str) -> None: ...


class Storefront:
    """Raises Unavailable while the database is away."""

    def __init__(self, database: Database, log: RoomLog, streams: Streams, attendance: Attendance) -> None:
        self._database = database
        self._log = log
        self._streams = streams
        self._attendance = attendance

    async def admit(self, key: str) -> None:
        """Whether a stream can be followed. Raises NotFound."""
        await self._streams.require(key)

    async def joined(self, principal: Principal, key: str, since: Since | None, first: bool) -> StreamJoined:
        """The products as a socket finds them that hears of changes by now; `first`: it was not counted there yet."""
        room = products_room(key)
        if first:
            await self._attendance.entered(room, principal.user_id)
        async with self._database.guard("storefront.join"):
            # The place first: what changes before the products are read is heard again, and known by its version.
            cursor, events = await self._log.position(room, since)
            products = await Product.filter(stream_id=key).order_by("sort_order", "id").limit(SHOWN)
        return StreamJoined(
            room=room.name,
            products=[view(product) for product in products],
            featured=None,
            cursor=cursor,
            recovered=events is not None,
            events=events,
        )

    async def returned(self, principal: Principal, key: str) -> None:
        """A socket that was counted, and lost its connection, is back. Never raises."""
        await self._attendance.entered(products_room(key), principal.user_id)

    async def departed(self, principal: Principal, key: str) -> None:
        """A socket that was counted follows no more. Never raises."""
        await self._attendance.left(products_room(key), principal.user_id)

    async def became(self, before: Principal, after: Principal, key: str) -> None:
        """A socket that was counted is somebody else's from now on. Never raises."""
        await self._attendance.became(products_room(key), before.user_id, after.user_id)
