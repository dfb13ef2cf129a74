"""Changes of products, their stock and their deals. Called by the HTTP edge."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from gateway.clocks import now
from gateway.errors import Code, Conflict, GatewayError, InvalidPayload, NotFound, UnknownStream
from gateway.keys import products_room
from gateway.postgres.database import Database
from gateway.postgres.errors import ForeignKeyError
from gateway.protocol.payloads import catalog
from gateway.protocol.payloads.catalog import (
    MAX_STOCK,
    ArrangeProducts,
    ChangedProducts,
    ChangeProduct,
    ChangeProducts,
    ChangeStock,
    CreateProduct,
    StartDeal,
)
from gateway.protocol.payloads.orders import Shortage
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from gateway.services.commerce import products
from gateway.services.commerce.currency import rounded
from gateway.services.commerce.products import ProductViews, number
from gateway.services.rooms.outbox import Outbox
from gateway.services.streams.ownership import require_host
from models.main.moderation import ModerationAction
from models.main.product import Product
from models.main.stream import Stream

CLEARABLE = frozenset({"original_price", "image_url"})  # fields that may be set to null

SWEPT = 100  # deals ended in one sweep
DUE = "SELECT id FROM products WHERE deal_ends_at <= clock_timestamp() ORDER BY deal_ends_at LIMIT $1"

Changes = Callable[[Product], dict[str, Any]]  # takes the stored product, returns its new values by field


class Catalog:
    """Changes products. A change is one transaction with its events, which are published after the commit.

    Each change increments the product's version. Raises Unavailable, NotFound for an unknown id, and Forbidden for a
    host who changes products of another host's stream. A change can name the version that it expects; if the product
    has another one, Conflict is raised, with the present product in its details.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        views: ProductViews,
        audit_log: AuditLog,
    ) -> None:
        self._views = views
        self._audit_log = audit_log
        self._database = database
        self._outbox = outbox

    async def create(self, principal: Principal, request: CreateProduct) -> catalog.Product:
        """Add a product to a stream. Raises NotFound if there is no such stream."""
        async with self._database.guard("catalog.host"):
            stream = await Stream.get_or_none(key=request.stream_key)
        if stream is None:
            raise UnknownStream
        require_host(principal, stream)
        fields = self._rounded(request.model_dump())
        product = Product(stream_id=fields.pop("stream_key"), **fields)
        try:
            async with self._outbox.change("catalog.create", products_room(request.stream_key)) as outgoing:
                await product.save()
                outgoing.append(self._views.added(product))
                await self._record(ModerationAction.CREATE_PRODUCT, principal, product, after=_terms(product))
        except ForeignKeyError:
            raise UnknownStream from None
        return self._views.view(product)

    async def change(self, principal: Principal, product_id: str, request: ChangeProduct) -> catalog.Product:
        """Change the given fields of a product."""
        [product] = await self._change(principal, {number(product_id): self._edit(request)})
        return product

    async def change_many(self, principal: Principal, request: ChangeProducts) -> ChangedProducts:
        """Change several products: all or, if one of the changes fails, none."""
        changes = {number(item.id): self._edit(item) for item in request.items}
        return ChangedProducts(items=await self._change(principal, changes))

    async def arrange(self, principal: Principal, request: ArrangeProducts) -> ChangedProducts:
        """Put products of a stream in the given order. Raises NotFound for a product of another stream."""

        def at(position: int) -> Changes:
            def changes(product: Product) -> dict[str, Any]:
                if product.stream_id != request.stream_key:
                    raise NotFound("The stream has no such product")
                return {"sort_order": position}

            return changes

        changes = {number(product_id): at(position) for position, product_id in enumerate(request.ids)}
        return ChangedProducts(items=await self._change(principal, changes))

    async def change_stock(self, principal: Principal, product_id: str, request: ChangeStock) -> catalog.Product:
        """Set the stock, or change it by a difference. Raises INSUFFICIENT_STOCK instead of going below 0."""
        if (request.stock is None) == (request.change is None):
            raise InvalidPayload("Give either stock or change")

        def changes(product: Product) -> dict[str, Any]:
            self._expect(product, request.expected_version)
            stock = request.stock if request.stock is not None else product.stock + (request.change or 0)
            if stock < 0:
                short = Shortage(product_id=product_id, requested=product.stock - stock, left=product.stock)
                raise GatewayError(Code.INSUFFICIENT_STOCK, details=[short.model_dump()])
            if stock > MAX_STOCK:
                raise InvalidPayload(details=[{"field": "change", "problem": f"more than {MAX_STOCK} in stock"}])
            return {"stock": stock}

        [product] = await self._change(principal, {number(product_id): changes})
        return product

    async def start_deal(self, principal: Principal, product_id: str, request: StartDeal) -> catalog.Product:
        """Sell at a deal price until a given time. Then the price is again the one before the first deal."""
        price = rounded(request.price, self._views.currency)

        def changes(product: Product) -> dict[str, Any]:
            self._expect(product, request.expected_version)
            if request.until <= now():
                raise InvalidPayload(details=[{"field": "until", "problem": "not in the future"}])
            regular = product.price if product.regular_price is None else product.regular_price
            return {"price": price, "regular_price": regular, "deal_ends_at": request.until}

        [product] = await self._change(principal, {number(product_id): changes})
        return product

    async def end_deals(self) -> None:
        """End the deals that are due. Called periodically on every node; each deal ends once."""
        async with self._database.guard("catalog.due_deals"):
            rows = await self._database.query(DUE, SWEPT)
        for row in rows:
            with suppress(NotFound):  # deleted in between
                await self._change(None, {int(row["id"]): _end_deal})

    async def sell_out(self, principal: Principal, product_id: str) -> catalog.Product:
        """Set the stock to zero."""
        [product] = await self._change(principal, {number(product_id): lambda _: {"stock": 0}})
        return product

    async def delete(self, principal: Principal, product_id: str) -> None:
        """Delete a product. If it is the featured product of its stream, the stream has none afterwards."""
        [product] = await self._find(principal, [number(product_id)])
        stream_key = product.stream_id
        async with self._outbox.change("catalog.delete", products_room(stream_key)) as outgoing:
            stored = await Product.filter(id=product.id).select_for_update().first()
            if stored is None:
                raise NotFound("There is no such product")
            if await Stream.filter(featured_product_id=product.id).update(featured_product_id=None):
                outgoing.append(self._views.featured(stream_key, None))
            await Product.filter(id=product.id).delete()
            outgoing.append(products.deleted(stored))
            await self._record(ModerationAction.DELETE_PRODUCT, principal, stored, before=_terms(stored))

    # --- steps -------------------------------------------------------------------------------------------------------

    async def _find(self, principal: Principal | None, numbers: Sequence[int]) -> list[Product]:
        """Return the products with these numbers. Raises NotFound for the first unknown one, Forbidden."""
        async with self._database.guard("catalog.find"):
            rows = await Product.filter(id__in=numbers).select_related("stream")
        found = _all({product.id: product for product in rows}, numbers)
        for product in found:
            require_host(principal, product.stream)
        return found

    def _edit(self, request: ChangeProduct) -> Changes:
        given = request.model_dump(include=request.model_fields_set - {"id", "expected_version"})
        for field in given.keys() - CLEARABLE:
            if given[field] is None:
                raise InvalidPayload(details=[{"field": field, "problem": "cannot be null"}])
        given = self._rounded(given)
        if "price" in given:
            given |= {"regular_price": None, "deal_ends_at": None}

        def changes(product: Product) -> dict[str, Any]:
            self._expect(product, request.expected_version)
            return given

        return changes

    def _rounded(self, given: dict[str, Any]) -> dict[str, Any]:
        prices = {field: given[field] for field in ("price", "original_price") if given.get(field) is not None}
        return given | {field: rounded(price, self._views.currency) for field, price in prices.items()}

    def _expect(self, product: Product, version: int | None) -> None:
        if version is not None and version != product.version:
            current = self._views.view(product).model_dump(mode="json")
            details = {"productId": current["id"], "version": product.version, "product": current}
            raise Conflict("The product was changed by somebody else", details=details)

    async def _change(self, principal: Principal | None, changes: dict[int, Changes]) -> list[catalog.Product]:
        """Lock the products, and apply each change to the locked product."""
        rooms = [products_room(product.stream_id) for product in await self._find(principal, list(changes))]
        async with self._outbox.change("catalog.change", *rooms) as outgoing:
            rows = await Product.filter(id__in=list(changes)).order_by("id").select_for_update(no_key=True)
            found = _all({product.id: product for product in rows}, list(changes))
            for product in found:
                before, given = _terms(product), changes[product.id](product)
                if any(getattr(product, field) != value for field, value in given.items()):
                    product.update_from_dict(given | {"version": product.version + 1})
                    await product.save()
                    outgoing.extend(self._views.change_events(product, before["stock"]))
                    await self._record_terms(principal, product, before)
        return [self._views.view(product) for product in found]

    async def _record_terms(self, principal: Principal | None, product: Product, before: dict[str, Any]) -> None:
        after = _terms(product)
        changed = [name for name, value in after.items() if value != before[name]]
        if changed:
            was, is_ = ({name: terms[name] for name in changed} for terms in (before, after))
            await self._record(ModerationAction.CHANGE_PRODUCT, principal, product, before=was, after=is_)

    async def _record(
        self, action: ModerationAction, principal: Principal | None, product: Product, **details: Any
    ) -> None:
        """Add an entry to the audit log; none for a change by the gateway itself."""
        if principal is not None:
            named = {"productId": str(product.id), "name": product.name}
            await self._audit_log.record(action, principal, live_id=product.stream_id, details=named | details)


def _terms(product: Product) -> dict[str, Any]:
    """Return the fields of a product that the audit log records."""
    return {
        "name": product.name,
        "price": product.price,
        "originalPrice": product.original_price,
        "discountRate": product.discount_rate,
        "dealEndsAt": product.deal_ends_at,
        "stock": product.stock,
    }


def _end_deal(product: Product) -> dict[str, Any]:
    """Return the changes at the end of a deal; none if another node has ended it, or it was extended."""
    if product.deal_ends_at is None or product.deal_ends_at > now():
        return {}
    return {"price": product.regular_price, "regular_price": None, "deal_ends_at": None}


def _all(found: dict[int, Product], numbers: Sequence[int]) -> list[Product]:
    for wanted in numbers:
        if wanted not in found:
            raise NotFound("There is no such product" if len(numbers) == 1 else f"There is no product {wanted}")
    return [found[wanted] for wanted in numbers]
