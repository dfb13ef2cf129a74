"""Copies a stream with its products, for the next show. Called by the HTTP edge."""

import secrets

from gateway.errors import Conflict
from gateway.postgres.database import Database
from gateway.postgres.errors import UniqueError
from gateway.protocol.payloads.streaming import DuplicateStream, StreamView
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from gateway.services.rooms.log import open_rooms
from gateway.services.streams.ownership import lock_stream
from gateway.services.streams.stream_lists import StreamLists, view
from models.main.moderation import ModerationAction
from models.main.stream import Stream

# Without deals: the copy has the regular price.
PRODUCTS = """
    INSERT INTO products (
        stream_key, name, description, price, original_price, discount_rate, stock, image_url, images, sort_order,
        is_new, version, created_at, updated_at
    )
    SELECT $2, name, description, coalesce(regular_price, price), original_price, discount_rate, stock, image_url,
        images, sort_order, is_new, 1, clock_timestamp(), clock_timestamp()
    FROM products WHERE stream_key = $1 ORDER BY id
"""


class StreamCopies:
    """Copies streams. Raises NotFound for an unknown stream, Forbidden for another host's, and Unavailable."""

    def __init__(self, database: Database, lists: StreamLists, audit_log: AuditLog) -> None:
        self._database = database
        self._lists = lists
        self._audit_log = audit_log

    async def duplicate(self, principal: Principal, key: str, request: DuplicateStream) -> StreamView:
        """Create a scheduled stream of the same host, with the products as they are now, or without any.

        Raises Conflict if the key is taken.
        """
        new_key = request.key or secrets.token_urlsafe(9)
        try:
            async with self._database.guard("streams.duplicate"), self._database.transaction():
                original = await lock_stream(principal, key)
                stream = Stream(
                    key=new_key,
                    title=request.title or original.title,
                    description=original.description,
                    host_id=original.host_id,
                    scheduled_at=request.scheduled_at,
                    orders_when_not_live=original.orders_when_not_live,
                )
                await stream.save(force_create=True)
                await open_rooms(new_key)
                if request.products:
                    await self._database.query(PRODUCTS, key, new_key)
                await self._audit_log.record(
                    ModerationAction.CREATE_STREAM,
                    principal,
                    live_id=new_key,
                    details={"title": stream.title, "copyOf": key},
                )
        except UniqueError:
            raise Conflict("This key is taken") from None
        await self._lists.publish_upcoming()
        return view(stream)
