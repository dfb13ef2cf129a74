"""What is sold: products and their stock, and the news of every change. Called by the HTTP edge."""

from typing import Annotated, Any, Protocol

from pydantic import Field
from tortoise.expressions import Q

from gateway.connections.database import DanglingError, Database
from gateway.errors import Code, Conflict, GatewayError, InvalidPayload, NotFound
from gateway.keys import Room, products_room
from gateway.protocol import catalog, events
from gateway.protocol.catalog import (
    LOW_STOCK,
    MAX_STOCK,
    ChangeProduct,
    ChangeStock,
    CreateProduct,
    LowStock,
    ProductGone,
    ProductPage,
    SoldOut,
)
from gateway.protocol.queries import ProductQuery
from gateway.protocol.wire import Payload, Typed
from gateway.services import cursors
from gateway.services.room_log import RoomLog
from models.product import Product

Number = Annotated[int, Field(ge=1, lt=2**63)]  # a product's id, as the database has it
CLEARABLE = frozenset({"original_price", "image_url"})  # fields that may be changed to nothing


class Fanout(Protocol):
    """Broadcasts; what has a place in the room's log, in the order of places. Never raises."""

    async def publish(self, room: Room, event: str, payload: Payload, seq: int | None = None) -> None: ...


class Catalog:
    """Every change is one transaction that raises the version and keeps the news in the room's log; then it is told.

    Raises Unavailable while the database is away, and NotFound for an id that is none.
    """

    def __init__(self, database: Database, log: RoomLog, fanout: Fanout) -> None:
        self._database = database
        self._log = log
        self._fanout = fanout

    async def get(self, product_id: str) -> catalog.Product:
        """One product."""
        return view(await self._find(product_id))

    async def page(self, ask: ProductQuery) -> ProductPage:
        """A page of products, newest first."""
        found = Product.all() if ask.stream_key is None else Product.filter(stream_id=ask.stream_key)
        if ask.status is not None:
            found = found.filter(stock=0) if ask.status == "SOLD_OUT" else found.filter(stock__gt=0)
        if ask.search is not None:
            found = found.filter(Q(name__icontains=ask.search) | Q(description__icontains=ask.search))
        if ask.cursor is not None:
            (last,) = cursors.decode(ask.cursor, tuple[Number])
            found = found.filter(id__lt=last)
        async with self._database.guard("catalog.page"):
            products = await found.order_by("-id").limit(ask.limit + 1)
        items, more = products[: ask.limit], len(products) > ask.limit
        return ProductPage(
            items=[view(product) for product in items], next_cursor=cursors.encode((items[-1].id,)) if more else None
        )

    async def create(self, ask: CreateProduct) -> catalog.Product:
        """Add a product to a stream. Raises NotFound if there is no such stream."""
        fields = ask.model_dump()
        product = Product(stream_id=fields.pop("stream_key"), **fields)
        room = products_room(ask.stream_key)
        try:
            async with self._database.guard("catalog.create"), self._log.turn(room):
                async with self._database.transaction():
                    await product.save()
                    kept = await self._keep(room, _typed(events.PRODUCT_ADDED, view(product)))
                await self._tell(room, kept)
        except DanglingError:
            raise NotFound("There is no such stream") from None
        return view(product)

    async def change(self, product_id: str, ask: ChangeProduct) -> catalog.Product:
        """Change what is given. Raises Conflict if a version is given that is not the stored one."""
        given = ask.model_dump(include=ask.model_fields_set - {"version"})
        for field in given.keys() - CLEARABLE:
            if given[field] is None:
                raise InvalidPayload(details=[{"field": field, "problem": "cannot be null"}])

        def changes(product: Product) -> dict[str, Any]:
            if ask.version is not None and ask.version != product.version:
                raise Conflict("The product was changed meanwhile", details={"version": product.version})
            return given

        return await self._change(product_id, changes)

    async def change_stock(self, product_id: str, ask: ChangeStock) -> catalog.Product:
        """Set the stock, or change it by a difference. Raises INSUFFICIENT_STOCK rather than to go below 0."""
        if (ask.stock is None) == (ask.change is None):
            raise InvalidPayload("Give either stock or change")

        def changes(product: Product) -> dict[str, Any]:
            stock = ask.stock if ask.stock is not None else product.stock + (ask.change or 0)
            if stock < 0:
                raise GatewayError(Code.INSUFFICIENT_STOCK)
            if stock > MAX_STOCK:
                raise InvalidPayload(details=[{"field": "change", "problem": f"more than {MAX_STOCK} in stock"}])
            return {"stock": stock}

        return await self._change(product_id, changes)

    async def sell_out(self, product_id: str) -> catalog.Product:
        """Set the stock to nothing."""
        return await self._change(product_id, lambda _: {"stock": 0})

    async def delete(self, product_id: str) -> None:
        """Take a product off its stream for good."""
        product = await self._find(product_id)
        room = products_room(product.stream_id)
        async with self._database.guard("catalog.delete"), self._log.turn(room):
            async with self._database.transaction():
                if not await Product.filter(id=product.id).delete():
                    raise NotFound("There is no such product")
                kept = await self._keep(room, _typed(events.PRODUCT_DELETED, ProductGone(product_id=product_id)))
            await self._tell(room, kept)

    # --- the steps ---------------------------------------------------------------------------------------------------

    async def _find(self, product_id: str) -> Product:
        async with self._database.guard("catalog.find"):
            product = await Product.get_or_none(id=_number(product_id))
        if product is None:
            raise NotFound("There is no such product")
        return product

    async def _change(self, product_id: str, changes: "Changes") -> catalog.Product:
        """Lock the product, apply what `changes` says of it as it is then, keep and tell the news."""
        room = products_room((await self._find(product_id)).stream_id)
        async with self._database.guard("catalog.change"), self._log.turn(room):
            async with self._database.transaction():
                product = await Product.filter(id=_number(product_id)).select_for_update().first()
                if product is None:
                    raise NotFound("There is no such product")
                before, given = product.stock, changes(product)
                if all(getattr(product, field) == value for field, value in given.items()):
                    return view(product)
                product.update_from_dict(given | {"version": product.version + 1})
                await product.save()
                kept = await self._keep(room, *_news(product, before))
            await self._tell(room, kept)
            if 0 < product.stock < min(before, LOW_STOCK):
                low = LowStock(product_id=product_id, product_name=product.name, remaining_stock=product.stock)
                await self._fanout.publish(room, events.PRODUCT_LOW_STOCK, _typed(events.PRODUCT_LOW_STOCK, low))
        return view(product)

    async def _keep(self, room: Room, *told: Typed) -> dict[int, Typed]:
        """Keep the news in the room's log; by the places they got."""
        kept = {}
        for event in told:
            seq = await self._log.next(room)
            await self._log.record(room, seq, event.type, event)
            kept[seq] = event
        return kept

    async def _tell(self, room: Room, kept: dict[int, Typed]) -> None:
        for seq, event in kept.items():
            await self._fanout.publish(room, event.type, event, seq)


class Changes(Protocol):
    """What to change of a product, given how it is."""

    def __call__(self, product: Product, /) -> dict[str, Any]: ...


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


def _news(product: Product, before: int) -> list[Typed]:
    told = [_typed(events.PRODUCT_UPDATED, view(product))]
    if before > 0 and product.stock == 0:
        sold_out = SoldOut(product_id=str(product.id), version=product.version)
        told.append(_typed(events.PRODUCT_SOLDOUT, sold_out))
    return told


def _typed(event: str, data: Payload) -> Typed:
    return Typed(type=event, data=data)


def _number(product_id: str) -> int:
    # Only what we would write ourselves, and only what a bigint holds.
    if not (product_id.isascii() and product_id.isdigit() and len(product_id) < 19):
        raise NotFound("There is no such product")
    return int(product_id)
