"""What becomes of orders placed at the same time, worked out without a database. Called by the order writer."""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid4

from gateway.errors import Code, Conflict, GatewayError, NotFound
from gateway.keys import admins_room, products_room
from gateway.protocol import events, orders
from gateway.protocol.orders import ChangedPrice, PlaceOrder, Purchase, Shortage
from gateway.protocol.text import first_grapheme
from gateway.protocol.wire import Typed
from gateway.security.principal import Principal
from gateway.services.commerce import products
from gateway.services.commerce.products import ProductViews
from gateway.services.rooms.log import NewEvent
from models.main.order import Order, OrderItem, OrderStatus
from models.main.product import Product


class Draft(NamedTuple):
    """An order that is asked for."""

    user_id: UUID
    display_name: str  # as everybody may know the buyer
    quantities: dict[int, int]  # by the numbers of products
    key: str | None  # under which the same order is asked for again
    fingerprint: str | None  # of what was asked for under that key
    prices: Mapping[int, Decimal] = {}  # that the buyer saw, where they said so

    @property
    def name(self) -> tuple[UUID, str] | None:
        """What the same order is known by, if it is known by anything."""
        return None if self.key is None else (self.user_id, self.key)


class Placed(NamedTuple):
    """An order with its items. `fresh`: it was placed now; else it had been before."""

    order: Order
    items: Sequence[OrderItem]
    fresh: bool


class Terms(NamedTuple):
    """What holds for all orders of a shop."""

    views: ProductViews
    ttl: timedelta  # for an order to be paid
    locale: str  # `ko` or `en`: of the purchase notification


class Book:
    """The products that orders are about, locked; each order that is taken changes them for those after it.

    `closed` are the keys of the streams that take no orders now.
    """

    def __init__(
        self,
        shelf: Iterable[Product],
        known: Mapping[tuple[UUID, str], Placed],
        moment: datetime,
        terms: Terms,
        closed: Collection[str] = (),
    ) -> None:
        self._terms = terms
        self._closed = closed
        self._shelf = {product.id: product for product in shelf}
        self._known = dict(known)
        self.moment = moment
        self.placed: list[Placed] = []  # what is to be stored
        self.taken: Counter[int] = Counter()  # from the stock, by product
        self.steps: Counter[int] = Counter()  # of the version, by product
        self.outgoing: list[NewEvent] = []

    def take(self, draft: Draft) -> Placed | GatewayError:
        """An order in full, or why there is none."""
        earlier = self._known.get(draft.name) if draft.name else None
        if earlier is not None:
            if earlier.order.fingerprint != draft.fingerprint:
                return Conflict("The Idempotency-Key was used for another order")
            return earlier._replace(fresh=False)
        if unknown := draft.quantities.keys() - self._shelf.keys():
            return NotFound(f"There is no product {min(unknown)}")
        if closed := {self._shelf[number].stream_id for number in draft.quantities}.intersection(self._closed):
            return Conflict("The stream takes no orders now", details={"streamKey": min(closed)})
        if changed := [
            ChangedPrice(product_id=str(number), asked=asked, price=price)
            for number, asked in draft.prices.items()
            if asked != (price := products.price_at(self._shelf[number], self.moment))
        ]:
            details = [price.model_dump(mode="json") for price in changed]
            return GatewayError(Code.PRICE_CHANGED, details=details)
        if short := [
            Shortage(product_id=str(number), requested=quantity, left=self._shelf[number].stock)
            for number, quantity in draft.quantities.items()
            if quantity > self._shelf[number].stock
        ]:
            return GatewayError(Code.INSUFFICIENT_STOCK, details=[shortage.model_dump() for shortage in short])
        placed = self._place(draft)
        self.placed.append(placed)
        if draft.name:
            self._known[draft.name] = placed
        return placed

    def _place(self, draft: Draft) -> Placed:
        order_id = uuid4()
        items = [self._item(order_id, self._shelf[number], quantity) for number, quantity in draft.quantities.items()]
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
        return Placed(order, items, fresh=True)

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


def draft(principal: Principal, ask: PlaceOrder, key: str | None) -> Draft:
    """What a member asks for."""
    quantities = {products.number(line.product_id): line.quantity for line in ask.items}
    prices = {products.number(line.product_id): line.price for line in ask.items if line.price is not None}
    text = ",".join(f"{number}:{quantity}" for number, quantity in sorted(quantities.items()))
    text += "".join(f",{number}@{price.normalize()}" for number, price in sorted(prices.items()))
    fingerprint = None if key is None else hashlib.sha256(text.encode()).hexdigest()
    return Draft(UUID(principal.user_id), masked(principal.username), quantities, key, fingerprint, prices)


def masked(username: str) -> str:
    """Return a name that its owner recognises and others do not: its first letter and stars."""
    return f"{first_grapheme(username)}***"


# --- as payloads ----------------------------------------------------------------------------------------------------


def view(order: Order, items: Iterable[OrderItem]) -> orders.Order:
    """An order as payload."""
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


def listed(order: Order) -> list[OrderItem]:
    """The items of a stored order, read with it, as they were asked for: the table keeps no order."""
    return sorted(order.items, key=lambda item: item.id)


def order_event(event: str, order: Order, items: Iterable[OrderItem]) -> NewEvent:
    """The event about an order for the administrators."""
    return NewEvent(admins_room(), event, Typed(type=event, data=view(order, items)))


def purchases(display_name: str, items: Iterable[OrderItem], locale: str) -> list[NewEvent]:
    """The events about a purchase for everybody: one for each stream of which something was bought."""
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
