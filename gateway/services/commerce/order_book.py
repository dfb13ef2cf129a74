"""Computes the results of a batch of orders in memory: stock, versions, events. No I/O. Called by the order writer."""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid4

from gateway.errors import Code, Conflict, GatewayError, NotFound
from gateway.keys import admins_room, products_room
from gateway.protocol import events
from gateway.protocol.payloads import orders
from gateway.protocol.payloads.orders import ChangedPrice, PlaceOrder, Purchase, Shortage
from gateway.protocol.text import first_grapheme
from gateway.protocol.wire import Typed
from gateway.security.principal import Principal, Role
from gateway.services.commerce import products
from gateway.services.commerce.products import ProductViews
from gateway.services.rooms.log import NewEvent
from models.main.order import Order, OrderItem, OrderStatus
from models.main.product import Product


class Draft(NamedTuple):
    """A requested order."""

    user_id: UUID
    display_name: str  # the masked name of the buyer
    quantities: dict[int, int]  # by product number
    key: str | None  # the Idempotency-Key
    fingerprint: str | None  # a hash of the request, to compare requests with the same key
    prices: Mapping[int, Decimal] = {}  # by product number, where the request has the price that the buyer saw

    @property
    def identity(self) -> tuple[UUID, str] | None:
        """The user and the Idempotency-Key, which identify repetitions; None without a key."""
        return None if self.key is None else (self.user_id, self.key)


class PlacedOrder(NamedTuple):
    """An order with its items. `fresh`: placed by this request, not by an earlier one."""

    order: Order
    items: Sequence[OrderItem]
    fresh: bool


class Terms(NamedTuple):
    """The configuration of orders."""

    views: ProductViews
    ttl: timedelta  # in which an order must be paid
    locale: str  # `ko` or `en`: the language of purchase notifications


class OrderBook:
    """The locked products of a batch of orders; each accepted order changes them for the orders after it.

    `placed` are earlier orders by identity, `closed` the keys of streams that accept no orders now.
    """

    def __init__(
        self,
        products: Iterable[Product],
        earlier: Mapping[tuple[UUID, str], PlacedOrder],
        moment: datetime,
        terms: Terms,
        closed: Collection[str] = (),
    ) -> None:
        self._terms = terms
        self._closed = closed
        self._products = {product.id: product for product in products}
        self._by_identity = dict(earlier)
        self.moment = moment
        self.placed: list[PlacedOrder] = []  # orders to store
        self.taken: Counter[int] = Counter()  # from the stock, by product
        self.steps: Counter[int] = Counter()  # increments of the version, by product
        self.outgoing: list[NewEvent] = []

    def take(self, draft: Draft) -> PlacedOrder | GatewayError:
        """Accept or refuse an order; return it with its items, or the error."""
        earlier = self._by_identity.get(draft.identity) if draft.identity else None
        if earlier is not None:
            if earlier.order.fingerprint != draft.fingerprint:
                return Conflict("The Idempotency-Key was used for another order")
            return earlier._replace(fresh=False)
        if unknown := draft.quantities.keys() - self._products.keys():
            return NotFound(f"There is no product {min(unknown)}")
        if closed := {self._products[number].stream_id for number in draft.quantities}.intersection(self._closed):
            return Conflict("The stream takes no orders now", details={"streamKey": min(closed)})
        if changed := [
            ChangedPrice(product_id=str(number), asked=seen, price=price)
            for number, seen in draft.prices.items()
            if seen != (price := products.price_at(self._products[number], self.moment))
        ]:
            details = [price.model_dump(mode="json") for price in changed]
            return GatewayError(Code.PRICE_CHANGED, details=details)
        if short := [
            Shortage(product_id=str(number), requested=quantity, left=self._products[number].stock)
            for number, quantity in draft.quantities.items()
            if quantity > self._products[number].stock
        ]:
            return GatewayError(Code.INSUFFICIENT_STOCK, details=[shortage.model_dump() for shortage in short])
        placed = self._place(draft)
        self.placed.append(placed)
        if draft.identity:
            self._by_identity[draft.identity] = placed
        return placed

    def _place(self, draft: Draft) -> PlacedOrder:
        order_id = uuid4()
        items = [
            self._item(order_id, self._products[number], quantity) for number, quantity in draft.quantities.items()
        ]
        order = Order(
            id=order_id,
            user_id=draft.user_id,
            status=OrderStatus.PENDING.value,
            total=sum((item.price * item.quantity for item in items), Decimal(0)),
            idempotency_key=draft.key,
            fingerprint=draft.fingerprint,
            created_at=self.moment,
            expires_at=self.moment + self._terms.ttl,
        )
        self.outgoing += purchases(draft.display_name, items, self._terms.locale)
        self.outgoing.append(order_event(events.ORDER_NEW, order, items))
        return PlacedOrder(order, items, fresh=True)

    def _item(self, order_id: UUID, product: Product, quantity: int) -> OrderItem:
        before = product.stock
        product.stock -= quantity
        product.version += 1
        product.updated_at = self.moment
        self.taken[product.id] += quantity
        self.steps[product.id] += 1
        self.outgoing += self._terms.views.change_events(product, before)
        return OrderItem(
            order_id=order_id,
            product_id=product.id,
            stream_id=product.stream_id,
            name=product.name,
            price=products.price_at(product, self.moment),
            quantity=quantity,
        )


def draft(principal: Principal, request: PlaceOrder, key: str | None) -> Draft:
    """Return the draft of a request. Raises NotFound for a malformed product id."""
    quantities = {products.number(line.product_id): line.quantity for line in request.items}
    prices = {products.number(line.product_id): line.price for line in request.items if line.price is not None}
    text = ",".join(f"{number}:{quantity}" for number, quantity in sorted(quantities.items()))
    text += "".join(f",{number}@{price.normalize()}" for number, price in sorted(prices.items()))
    fingerprint = None if key is None else hashlib.sha256(text.encode()).hexdigest()
    return Draft(UUID(principal.user_id), masked(principal.username), quantities, key, fingerprint, prices)


def masked(username: str) -> str:
    """Return the first letter of a name, followed by three stars."""
    return f"{first_grapheme(username)}***"


# --- payloads and events --------------------------------------------------------------------------------------------


def view(order: Order, items: Iterable[OrderItem]) -> orders.Order:
    """Return an order as payload."""
    return orders.Order(
        id=str(order.id),
        user_id=str(order.user_id),
        status=OrderStatus(order.status).value,
        items=[
            orders.OrderItem(
                product_id=None if item.product_id is None else str(item.product_id),
                stream_key=item.stream_id,
                name=item.name,
                price=item.price,
                quantity=item.quantity,
            )
            for item in items
        ],
        total=order.total,
        created_at=order.created_at,
        expires_at=order.expires_at,
        paid_at=order.paid_at,
        cancelled_at=order.cancelled_at,
    )


def sorted_items(order: Order) -> list[OrderItem]:
    """Return the prefetched items of a stored order in the order of the request."""
    return sorted(order.items, key=lambda item: item.id)


def order_event(event: str, order: Order, items: Iterable[OrderItem]) -> NewEvent:
    """Return an event about an order for the administrators."""
    return NewEvent(admins_room(), event, Typed(type=event, data=view(order, items)))


def purchases(display_name: str, items: Iterable[OrderItem], locale: str) -> list[NewEvent]:
    """Return the public events about a purchase: one for each stream whose products were bought."""
    sentence = SENTENCES[locale]
    bought: dict[str, list[OrderItem]] = {}
    for item in items:
        bought.setdefault(item.stream_id, []).append(item)
    outgoing = []
    for stream_key, [first, *others] in bought.items():
        message = sentence(display_name, first, len(others))
        purchase = Purchase(stream_key=stream_key, display_name=display_name, message=message)
        outgoing.append(NewEvent(products_room(stream_key), events.ORDER_PURCHASE_NOTIFICATION, purchase))
    return outgoing


def _english(buyer: str, first: OrderItem, others: int) -> str:
    return f"{buyer} bought {first.quantity} × {first.name}" + (f" and {others} more" if others else "")


def _korean(buyer: str, first: OrderItem, others: int) -> str:
    return f"{buyer}님이 {first.name} {first.quantity}개" + (f" 외 {others}건을" if others else "를") + " 구매했습니다"


SENTENCES: Mapping[str, Callable[[str, OrderItem, int], str]] = {"en": _english, "ko": _korean}


def part(order: orders.Order, keys: Collection[str]) -> orders.Order:
    """Return the part of an order that a host may see: the items of these streams, and their total."""
    items = [item for item in order.items if item.stream_key in keys]
    total = sum((item.price * item.quantity for item in items), Decimal(0))
    return order.model_copy(update={"items": items, "total": total})


def may_see(principal: Principal, order: Order) -> bool:
    """Return whether a user may see a whole order: the buyer and administrators may."""
    return principal.role is Role.ADMIN or str(order.user_id) == principal.user_id
