"""Places orders in batches. Used by the orders service.

Whatever locks more than one row locks orders, then products by number, then streams, then rooms by name.
"""

from collections.abc import Sequence
from uuid import UUID

from gateway.concurrency.batcher import Batcher
from gateway.errors import GatewayError, Unavailable
from gateway.metrics import Metrics
from gateway.postgres.database import Database, UniqueError
from gateway.protocol.wire import now
from gateway.services.commerce.order_book import Book, Draft, Placed, Terms, listed
from gateway.services.rooms.outbox import Outbox, PlacedEvent
from models.main.order import Order
from models.main.product import Product
from models.main.stream import Stream, StreamStatus

LANES = 2  # batches at the same time, each of other products: one is stored while the other is published
BATCH = 100  # orders in one transaction
WAITING = 10_000  # orders of a lane without an answer: a crowd that wants the same at the same moment

# One statement, since others wait for the products' locks. It takes what is there and nothing else, whatever was read
# before; orders go in the order of their unique constraint, so that two who place the same never wait for each other.
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
            WITH ORDINALITY AS i (order_id, product_id, stream_key, name, price, quantity, place)
        ORDER BY i.place
    )
    SELECT id FROM taken
"""


class OrderWriter:
    """Places orders, then tells the rooms. A batch is one transaction and one publication."""

    def __init__(self, database: Database, outbox: Outbox, metrics: Metrics, terms: Terms) -> None:
        self._database = database
        self._outbox = outbox
        self._metrics = metrics
        self._terms = terms
        self._batches: Batcher[Draft, Placed] = Batcher(
            "orders", self._store, most=BATCH, waiting=WAITING, unavailable=Unavailable, lanes=LANES, retry=True
        )

    async def write(self, draft: Draft) -> Placed:
        """Place an order, unless its buyer has placed it before.

        Returns after the commit, when the events are on their way to all nodes that can be reached. Raises NotFound,
        INSUFFICIENT_STOCK, Conflict for another order under the same key, and Unavailable: then it is not known whether
        the order was placed, and the same key says so. Who is cancelled while waiting does not know either.
        """
        try:
            placed = await self._batches.call(draft, min(draft.quantities))
        except GatewayError as error:
            self._metrics.orders.labels(error.code.lower()).inc()
            raise
        self._metrics.orders.labels("placed" if placed.fresh else "repeated").inc()
        return placed

    async def close(self) -> None:
        """Refuse further orders, and return when the accepted ones are placed and published."""
        await self._batches.close()

    async def _store(self, drafts: list[Draft]) -> list[Placed | Exception]:
        try:
            answers, outgoing = await self._transact(drafts)
        except UniqueError:
            # Another node has placed an order under one of these keys, of other products: by now it can be seen.
            answers, outgoing = await self._transact(drafts)
        await self._outbox.publish(outgoing)
        return answers

    async def _transact(self, drafts: list[Draft]) -> tuple[list[Placed | Exception], list[PlacedEvent]]:
        numbers = {number for draft in drafts for number in draft.quantities}
        async with self._database.guard("orders.place"), self._database.transaction():
            found = Product.filter(id__in=numbers).order_by("id").select_related("stream")
            shelf = await found.select_for_update(no_key=True, of=("products",))
            closed = {product.stream_id for product in shelf if not _takes_orders(product.stream)}
            # After the lock, so that what it waited for is seen: twins want the same products.
            book = Book(shelf, await _known(drafts), now(), self._terms, closed)
            answers: list[Placed | Exception] = [book.take(draft) for draft in drafts]
            if book.placed:
                await self._put(book)
            outgoing = await self._outbox.append(book.outgoing)
        return answers, outgoing

    async def _put(self, book: Book) -> None:
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
        )
        if len(rows) < len(numbers):
            raise RuntimeError("a product was changed in spite of its lock")


def _takes_orders(stream: Stream) -> bool:
    """Whether a stream sells: while it is live, and otherwise where its host allows it, unless it was cancelled."""
    if stream.status == StreamStatus.LIVE:
        return True
    return stream.orders_when_not_live and stream.status != StreamStatus.CANCELLED


async def _known(drafts: Sequence[Draft]) -> dict[tuple[UUID, str], Placed]:
    """The orders that were placed before under the keys of these drafts."""
    names = {draft.name for draft in drafts if draft.name is not None}
    if not names:
        return {}
    users, keys = {user_id for user_id, _ in names}, {key for _, key in names}
    earlier = await Order.filter(user_id__in=users, idempotency_key__in=keys).prefetch_related("items")
    return {
        (order.user_id, order.idempotency_key): Placed(order, listed(order), fresh=False)
        for order in earlier
        if order.idempotency_key is not None
    }
