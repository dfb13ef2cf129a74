"""Stores orders in batches. Used by the orders service.

Transactions that lock several rows do so in this order: orders, products by number, streams, rooms by name.
"""

from collections.abc import Sequence
from uuid import UUID

from gateway.clocks import now
from gateway.concurrency.batcher import Batcher
from gateway.errors import GatewayError, Unavailable
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.postgres.errors import UniqueError
from gateway.services.analytics.facts import NO_FACTS, Facts
from gateway.services.commerce.order_book import Draft, OrderBook, PlacedOrder, Terms, sorted_items
from gateway.services.rooms.outbox import Outbox, PlacedEvent
from models.main.order import Order
from models.main.product import Product
from models.main.stream import Stream, StreamStatus

LANES = 2  # concurrent batches of different products: one is stored while the other is published
BATCH = 100  # orders in one transaction
WAITING = 10_000  # orders of a lane without an answer; in a flash sale many arrive at once

# One statement, because other transactions wait for the locks of the products. It checks the stock again. Orders are
# inserted in the order of their unique constraint, so that two nodes with the same orders cannot deadlock.
STORE = """
    WITH taken AS (
        UPDATE products p SET stock = p.stock - t.taken, version = p.version + t.steps, updated_at = $1
        FROM unnest($2::bigint[], $3::int[], $4::int[]) AS t (id, taken, steps)
        WHERE p.id = t.id AND p.stock >= t.taken RETURNING p.id
    ), placed AS (
        INSERT INTO orders (id, user_id, status, total, idempotency_key, fingerprint, created_at, expires_at)
        SELECT o.id, o.user_id, 'PENDING', o.total, o.key, o.fingerprint, $1, $16
        FROM unnest($5::uuid[], $6::uuid[], $7::numeric[], $8::text[], $9::text[])
            AS o (id, user_id, total, key, fingerprint)
        ORDER BY o.user_id, o.key
    ), listed AS (
        INSERT INTO order_items (order_id, product_id, stream_key, name, price, quantity)
        SELECT i.order_id, i.product_id, i.stream_key, i.name, i.price, i.quantity
        FROM unnest($10::uuid[], $11::bigint[], $12::text[], $13::text[], $14::numeric[], $15::int[])
            WITH ORDINALITY AS i (order_id, product_id, stream_key, name, price, quantity, ordinal)
        ORDER BY i.ordinal
    ), noted AS (
        INSERT INTO outbox (kind, payload) SELECT 'sales', $17::text::jsonb WHERE $17::text IS NOT NULL
    )
    SELECT id FROM taken
"""


class OrderWriter:
    """Stores and publishes orders. A batch is one transaction and one publication."""

    def __init__(
        self, database: Database, outbox: Outbox, metrics: Metrics, terms: Terms, facts: Facts = NO_FACTS
    ) -> None:
        self._database = database
        self._facts = facts
        self._outbox = outbox
        self._metrics = metrics
        self._terms = terms
        self._batches: Batcher[Draft, PlacedOrder] = Batcher(
            "orders", self._store, most=BATCH, waiting=WAITING, unavailable=Unavailable, lanes=LANES, retry=True
        )

    async def write(self, draft: Draft) -> PlacedOrder:
        """Place an order, or return the one that its buyer placed before with the same key.

        Returns when the order is committed and its events are published. Raises NotFound, PRICE_CHANGED,
        INSUFFICIENT_STOCK, and Conflict if a stream accepts no orders or the key belongs to another order. After
        Unavailable or a cancellation the order may have been placed; a repetition with the same key returns it then.
        """
        try:
            placed = await self._batches.call(draft, min(draft.quantities))
        except GatewayError as error:
            self._metrics.orders.labels(error.code.lower()).inc()
            raise
        self._metrics.orders.labels("placed" if placed.fresh else "repeated").inc()
        return placed

    async def close(self) -> None:
        """Refuse further orders, and return when the accepted ones are stored and published."""
        await self._batches.close()

    async def _store(self, drafts: list[Draft]) -> list[PlacedOrder | Exception]:
        try:
            answers, outgoing = await self._transact(drafts)
        except UniqueError:
            # Another node stored an order with one of these keys for other products; it is visible now.
            answers, outgoing = await self._transact(drafts)
        await self._outbox.publish(outgoing)
        return answers

    async def _transact(self, drafts: list[Draft]) -> tuple[list[PlacedOrder | Exception], list[PlacedEvent]]:
        numbers = {number for draft in drafts for number in draft.quantities}
        async with self._database.guard("orders.place"), self._database.transaction():
            found = Product.filter(id__in=numbers).order_by("id").select_related("stream")
            products = await found.select_for_update(no_key=True, of=("products",))
            closed = {product.stream_id for product in products if not _accepts_orders(product.stream)}
            # Read earlier orders after the lock, because a repetition waits for the same products.
            book = OrderBook(products, await _earlier(drafts), now(), self._terms, closed)
            answers: list[PlacedOrder | Exception] = [book.take(draft) for draft in drafts]
            if book.placed:
                await self._insert(book)
            outgoing = await self._outbox.append(book.outgoing)
        return answers, outgoing

    async def _insert(self, book: OrderBook) -> None:
        numbers = list(book.taken)
        placed = [placed.order for placed in book.placed]
        items = [item for each in book.placed for item in each.items]
        rows = await self._database.query(
            STORE,
            book.moment,
            numbers,
            [book.taken[number] for number in numbers],
            [book.steps[number] for number in numbers],
            [order.id for order in placed],
            [order.user_id for order in placed],
            [order.total for order in placed],
            [order.idempotency_key for order in placed],
            [order.fingerprint for order in placed],
            [item.order_id for item in items],
            [item.product_id for item in items],
            [item.stream_id for item in items],
            [item.name for item in items],
            [item.price for item in items],
            [item.quantity for item in items],
            placed[0].expires_at,
            self._facts.sales("PLACED", ((book.moment, each.items) for each in book.placed)),
        )
        if len(rows) < len(numbers):
            raise RuntimeError("a locked product was changed")


def _accepts_orders(stream: Stream) -> bool:
    """Return whether a stream is live, or allows orders otherwise and was not cancelled."""
    if stream.status == StreamStatus.LIVE:
        return True
    return stream.orders_when_not_live and stream.status != StreamStatus.CANCELLED


async def _earlier(drafts: Sequence[Draft]) -> dict[tuple[UUID, str], PlacedOrder]:
    """Return the stored orders with the identities of these drafts."""
    identities = {draft.identity for draft in drafts if draft.identity is not None}
    if not identities:
        return {}
    users, keys = {user_id for user_id, _ in identities}, {key for _, key in identities}
    earlier = await Order.filter(user_id__in=users, idempotency_key__in=keys).prefetch_related("items")
    return {
        (order.user_id, order.idempotency_key): PlacedOrder(order, sorted_items(order), fresh=False)
        for order in earlier
        if order.idempotency_key is not None
    }
