"""Payloads of products and the events of their changes. Used by the services that read or change products."""

import re
from datetime import datetime
from decimal import Decimal

from gateway.errors import NotFound
from gateway.keys import Room, products_room
from gateway.protocol import events
from gateway.protocol.payloads import catalog
from gateway.protocol.payloads.catalog import LOW_STOCK, FeaturedProduct, LowStock, ProductDeleted, SoldOut
from gateway.protocol.wire import Payload, Typed
from gateway.services.rooms.log import NewEvent
from models.main.product import Product


class ProductViews:
    """Makes payloads and events of products, in the currency of the shop."""

    def __init__(self, currency: str) -> None:
        self.currency = currency

    def view(self, product: Product) -> catalog.Product:
        """Return a product as payload. During a deal the original price is at least the regular price."""
        original, discount = product.original_price, product.discount_rate
        if product.regular_price is not None:
            original = product.regular_price if original is None else max(original, product.regular_price)
            discount = round(100 * (1 - product.price / original)) if original > product.price else 0
        return catalog.Product(
            id=str(product.id),
            stream_key=product.stream_id,
            name=product.name,
            description=product.description,
            price=product.price,
            original_price=original,
            currency=self.currency,
            discount_rate=discount,
            deal_ends_at=product.deal_ends_at,
            stock=product.stock,
            status="AVAILABLE" if product.stock else "SOLD_OUT",
            image_url=product.image_url,
            images=product.images,
            sort_order=product.sort_order,
            is_new=product.is_new,
            version=product.version,
            created_at=product.created_at,
            updated_at=product.updated_at,
        )

    def added(self, product: Product) -> NewEvent:
        """Return the event of a new product."""
        return _typed(products_room(product.stream_id), events.PRODUCT_ADDED, self.view(product))

    def change_events(self, product: Product, before: int) -> list[NewEvent]:
        """Return the events of a change; `before` is the former stock. A stock that became 0 adds `soldout`."""
        room, product_id = products_room(product.stream_id), str(product.id)
        outgoing = [_typed(room, events.PRODUCT_UPDATED, self.view(product))]
        if product.stock == 0 < before:
            sold_out = SoldOut(product_id=product_id, version=product.version)
            outgoing.append(_typed(room, events.PRODUCT_SOLDOUT, sold_out))
        elif 0 < product.stock < min(before, LOW_STOCK):
            low = LowStock(product_id=product_id, product_name=product.name, remaining_stock=product.stock)
            outgoing.append(_typed(room, events.PRODUCT_LOW_STOCK, low))
        return outgoing

    def featured(self, stream_key: str, product: Product | None) -> NewEvent:
        """Return the event of a change of the featured product; None for no product."""
        shown = None if product is None else self.view(product)
        payload = FeaturedProduct(stream_key=stream_key, product_id=shown.id if shown else None, product=shown)
        return NewEvent(products_room(stream_key), events.FEATURED_PRODUCT_UPDATED, payload)


def deleted(product: Product) -> NewEvent:
    """Return the event of a deletion; its version is one above the product's last version."""
    payload = ProductDeleted(product_id=str(product.id), version=product.version + 1)
    return _typed(products_room(product.stream_id), events.PRODUCT_DELETED, payload)


def price_at(product: Product, moment: datetime) -> Decimal:
    """Return the price at a time: the regular price after the end of a deal, even if no sweep has ended it yet."""
    if product.regular_price is not None and product.deal_ends_at is not None and product.deal_ends_at <= moment:
        return product.regular_price
    return product.price


def number(product_id: str) -> int:
    """Return the number in a product id. Raises NotFound for a malformed id."""
    # Only the canonical form, and only numbers that fit into bigint.
    if not re.fullmatch(r"[1-9][0-9]{0,17}", product_id):
        raise NotFound("There is no such product")
    return int(product_id)


def _typed(room: Room, event: str, data: Payload) -> NewEvent:
    return NewEvent(room, event, Typed(type=event, data=data))
