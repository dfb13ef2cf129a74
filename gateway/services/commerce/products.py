"""A product as everybody sees it, and what its room hears of a change. Used by whatever reads or changes products."""

import re

from gateway.errors import NotFound
from gateway.keys import Room, products_room
from gateway.protocol import catalog, events
from gateway.protocol.catalog import LOW_STOCK, FeaturedProduct, LowStock, ProductGone, SoldOut
from gateway.protocol.wire import Payload, Typed
from gateway.services.rooms.log import Told
from models.product import Product


def view(product: Product) -> catalog.Product:
    """A product as payload."""
    return catalog.Product(
        id=str(product.id),
        stream_key=product.stream_id,
        name=product.name,
        description=product.description,
        price=product.price,
        original_price=product.original_price,
        discount_rate=product.discount_rate,
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


def number(product_id: str) -> int:
    """The number of a product. Raises NotFound for what is no product's id."""
    # Only what we would write ourselves, and only what a bigint holds.
    if not re.fullmatch(r"[1-9][0-9]{0,17}", product_id):
        raise NotFound("There is no such product")
    return int(product_id)


# --- news -----------------------------------------------------------------------------------------------------------


def added(product: Product) -> Told:
    """A stream sells something new."""
    return _typed(products_room(product.stream_id), events.PRODUCT_ADDED, view(product))


def changed(product: Product, before: int) -> list[Told]:
    """A product is another than it was, when its stock was `before`. Sold out is told by who took the last one."""
    room, product_id = products_room(product.stream_id), str(product.id)
    news = [_typed(room, events.PRODUCT_UPDATED, view(product))]
    if product.stock == 0 < before:
        gone = SoldOut(product_id=product_id, version=product.version)
        news.append(_typed(room, events.PRODUCT_SOLDOUT, gone))
    elif 0 < product.stock < min(before, LOW_STOCK):
        low = LowStock(product_id=product_id, product_name=product.name, remaining_stock=product.stock)
        news.append(_typed(room, events.PRODUCT_LOW_STOCK, low))
    return news


def deleted(product: Product) -> Told:
    """A product is sold no more."""
    return _typed(products_room(product.stream_id), events.PRODUCT_DELETED, ProductGone(product_id=str(product.id)))


def featured(stream_key: str, product: Product | None) -> Told:
    """A stream shows another product first, or none."""
    shown = None if product is None else view(product)
    payload = FeaturedProduct(stream_key=stream_key, product_id=shown.id if shown else None, product=shown)
    return Told(products_room(stream_key), events.FEATURED_PRODUCT_UPDATED, payload)


def _typed(room: Room, event: str, data: Payload) -> Told:
    return Told(room, event, Typed(type=event, data=data))
