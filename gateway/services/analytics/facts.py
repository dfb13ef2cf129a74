"""Stores facts for the analytics database in the outbox, in the transaction of the change. Used by services.

The facts of a batch are one row. Without an analytics database no facts are stored.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from gateway.postgres.database import Database
from gateway.postgres.databases import ANALYTICS
from gateway.settings import Settings
from models.analytics.sale import WHOLE_STREAM
from models.main.order import OrderItem

# The kinds of facts, and the columns of each.
SALES: Final = "sales"  # stream key, product id, minute, status, orders, units, amount
VIEWERS: Final = "viewers"  # stream key, moment, viewers
MODERATION: Final = "moderation"  # entry id, moment, action, stream key, key of the actor, key of the subject

Status = Literal["PLACED", "PAID", "CANCELLED", "EXPIRED"]

ADD = "INSERT INTO outbox (kind, payload) VALUES ($1, $2::text::jsonb)"


class Facts:
    """Makes and stores facts, which have numbers and no names. Without `settings` it makes none."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.enabled = settings is not None and ANALYTICS.configured(settings)
        secret = b"" if settings is None else settings.jwt_secret.get_secret_value().encode()
        self._key = hmac.digest(secret, b"analytics", "sha256")

    def sales(self, status: Status, orders: Iterable[tuple[datetime, Sequence[OrderItem]]]) -> str | None:
        """Return the facts about orders that changed to one status, each with its moment; None without any.

        For a caller that stores them in its own statement; others call `add_sales`.
        """
        if not self.enabled:
            return None
        rows = sales_rows(status, orders)
        return json.dumps(rows) if rows else None

    async def add_sales(
        self, database: Database, status: Status, orders: Iterable[tuple[datetime, Sequence[OrderItem]]]
    ) -> None:
        """Store the facts about orders, within their transaction."""
        if facts := self.sales(status, orders):
            await database.query(ADD, SALES, facts)

    async def add_viewers(self, database: Database, moment: datetime, counts: Mapping[str, int]) -> None:
        """Store how many people watch each stream."""
        if self.enabled and counts:
            rows = [(key, moment.isoformat(), count) for key, count in counts.items()]
            await database.query(ADD, VIEWERS, json.dumps(rows))

    def key(self, person: str | None) -> str | None:
        """Return a keyed hash of the id of a user or guest. None for None, and if facts are off."""
        if person is None or not self.enabled:
            return None
        return hmac.new(self._key, person.encode(), hashlib.sha256).hexdigest()[:32]


NO_FACTS: Final = Facts()


def sales_rows(status: Status, orders: Iterable[tuple[datetime, Sequence[OrderItem]]]) -> list[list[Any]]:
    """Return rows of `SALES`: one for each product, minute and stream, and one for the stream as a whole.

    An order counts once for each of its products and once for each stream of these.
    """
    rows: dict[tuple[str, int, str], list[Any]] = {}
    for moment, items in orders:
        minute = moment.replace(second=0, microsecond=0).isoformat()
        streams: set[str] = set()
        for item in items:
            product = item.product_id or WHOLE_STREAM  # a deleted product only counts for its stream
            for number in {product, WHOLE_STREAM}:
                row = rows.setdefault(
                    (item.stream_id, number, minute), [item.stream_id, number, minute, status, 0, 0, 0]
                )
                if number != WHOLE_STREAM or item.stream_id not in streams:
                    row[4] += 1
                row[5] += item.quantity
                row[6] += item.price * item.quantity
            streams.add(item.stream_id)
    return [[*row[:6], str(row[6])] for row in rows.values()]
