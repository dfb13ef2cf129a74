"""Publishes the events of orders to the hosts of the streams. Called by the outbox after a publication."""

from collections.abc import Sequence

import structlog

from gateway.errors import Unavailable
from gateway.keys import admins_room, hosts_room
from gateway.postgres.database import Database
from gateway.protocol.payloads.orders import Order
from gateway.protocol.wire import Typed
from gateway.realtime.fanout.fanout import Fanout
from gateway.services.commerce.order_book import part
from gateway.services.rooms.outbox import PlacedEvent

log = structlog.get_logger()

KNOWN = 10_000  # streams whose host is cached; the host of a stream never changes

HOSTS = "SELECT key, host_id::text AS host FROM streams WHERE key = ANY ($1)"


class HostOrders:
    """Sends each host the items of their own streams. The events are not logged: hosts can read the list of orders."""

    def __init__(self, database: Database, fanout: Fanout) -> None:
        self._database = database
        self._fanout = fanout
        self._hosts: dict[str, str] = {}  # by stream key

    async def published(self, events: Sequence[PlacedEvent]) -> None:
        """Publish the events of orders among these. Never raises."""
        for event, _ in events:
            if event.room == admins_room() and isinstance(event.payload, Typed):
                await self._publish(event.event, event.payload.data)

    async def _publish(self, event: str, order: Order) -> None:
        try:
            hosts = await self._hosts_of({item.stream_key for item in order.items})
        except Unavailable:
            log.warning("the hosts of an order got no event", order=order.id, event_name=event)
            return
        for host in sorted(set(hosts.values())):
            own = part(order, {key for key, owner in hosts.items() if owner == host})
            await self._fanout.publish(hosts_room(host), event, Typed(type=event, data=own))

    async def _hosts_of(self, keys: set[str]) -> dict[str, str]:
        unknown = keys - self._hosts.keys()
        if unknown:
            async with self._database.guard("orders.hosts"):
                rows = await self._database.query(HOSTS, list(unknown))
            if len(self._hosts) >= KNOWN:
                self._hosts.clear()
            self._hosts |= {row["key"]: row["host"] for row in rows}
        return {key: self._hosts[key] for key in keys if key in self._hosts}
