"""Orders on a real PostgreSQL: all or nothing, each once, never more than the stock, and the events in the rooms."""

import asyncio
import json
import random
import unicodedata
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from pydantic import ValidationError

from gateway.clocks import now
from gateway.errors import Code, Conflict, Forbidden, GatewayError, InvalidPayload, NotFound, Unavailable
from gateway.keys import products_room
from gateway.protocol.payloads.catalog import ChangeProduct, ChangeProducts, CreateProduct, Product, StartDeal
from gateway.protocol.payloads.orders import MAX_ITEMS, MAX_QUANTITY, Order, PlaceOrder
from gateway.protocol.queries import OrderQuery
from gateway.realtime.notices import UserEvent
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal, Role
from gateway.services.commerce.currency import rounded
from gateway.services.commerce.order_book import masked, purchases
from models.main.order import Order as StoredOrder
from models.main.order import OrderItem
from tests.doubles import principal
from tests.integration.commerce_nodes import ADMIN, ADMINS, KEY, CommerceNodes, open_commerce_nodes, total
from tests.support import make_settings
from tests.timing import time_limit


@pytest.fixture
async def commerce(database_url: str, redis: RedisClient) -> AsyncIterator[CommerceNodes]:
    async with open_commerce_nodes(database_url, redis) as commerce:
        yield commerce


async def refused(code: Code, call: Any) -> GatewayError:
    """Check that a call is refused with a code."""
    with pytest.raises(GatewayError) as caught:
        await call
    assert caught.value.code == code
    return caught.value


# --- placing --------------------------------------------------------------------------------------------------------


async def test_an_order_is_stored_and_published(commerce: CommerceNodes) -> None:
    ann = await commerce.person()
    cup, mug = await commerce.product(price="19.90", stock=9), await commerce.product(name="Mug", price=0.1, stock=6)
    commerce.published()
    order = await commerce.buy(ann, (cup, 3), (mug, 2))
    assert (order.status, order.total, order.user_id) == ("PENDING", Decimal("59.90"), ann.user_id)
    assert [(item.product_id, item.name, str(item.price), item.quantity, item.stream_key) for item in order.items] == [
        (cup.id, "Cup", "19.90", 3, KEY),
        (mug.id, "Mug", "0.10", 2, KEY),
    ]
    received = commerce.received.events[:]
    assert [event for event, _ in commerce.published()] == [
        "live:product:updated",
        "live:product:updated",
        "product:low-stock",
        "order:purchase:notification",
    ]
    updated = [payload["data"] for _, event, payload in received if event == "live:product:updated"]
    stored = [(await commerce.product_list.get(product.id)).model_dump(mode="json") for product in (cup, mug)]
    assert updated == stored, "what is told is what is stored"
    purchase = {"streamKey": KEY, "displayName": "s***", "message": "s*** bought 3 × Cup and 1 more"}
    assert received[-2][1:] == ("order:purchase:notification", purchase)
    new = {"type": "order:new", "data": order.model_dump(mode="json")}
    assert received[-1] == (ADMINS, "order:new", new)
    assert await commerce.order_list.get(ann, order.id) == order
    assert [event for _, event in await commerce.logged(ADMINS)] == ["order:new"]
    assert [seq for seq, _ in await commerce.logged(products_room(KEY))] == [1, 2, 3, 4, 5, 6]


async def test_an_order_is_all_or_nothing(commerce: CommerceNodes) -> None:
    ann = await commerce.person()
    await commerce.stream("other", await commerce.person(Role.HOST))
    cup, mug = await commerce.product(stock=5), await commerce.product(stock=1)
    hat = await commerce.product("other", stock=2)
    commerce.published()
    error = await refused(Code.INSUFFICIENT_STOCK, commerce.buy(ann, (cup, 5), (mug, 2), (hat, 3)))
    assert error.details == [
        {"productId": mug.id, "requested": 2, "left": 1},
        {"productId": hat.id, "requested": 3, "left": 2},
    ]
    await commerce.catalog.delete(ADMIN, hat.id)
    commerce.published()
    await refused(Code.NOT_FOUND, commerce.buy(ann, (cup, 1), (hat, 1)))
    assert [await commerce.now(product) for product in (cup, mug)] == [(5, 1), (1, 1)]
    assert (commerce.published(), await StoredOrder.all().count()) == ([], 0)


async def test_an_order_of_several_streams_is_published_in_each(commerce: CommerceNodes) -> None:
    await commerce.stream("other", await commerce.person(Role.HOST))
    cup, hat = await commerce.product(stock=1), await commerce.product("other", name="Hat", stock=2)
    commerce.published()
    await commerce.buy(await commerce.person(), (hat, 1), (cup, 1))
    received = commerce.received.events[:]
    assert [event for event, _ in commerce.published()] == [
        "live:product:updated",
        "live:product:soldout",
        "order:purchase:notification",
    ]
    here = [(event, payload) for room, event, payload in received if room == products_room("other")]
    assert [event for event, _ in here] == ["live:product:updated", "product:low-stock", "order:purchase:notification"]
    assert here[-1][1]["message"] == "s*** bought 1 × Hat"


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{"productId": "1", "quantity": 0}],
        [{"productId": "1", "quantity": MAX_QUANTITY + 1}],
        [{"productId": "1", "quantity": 1.5}],
        [{"productId": "1", "quantity": True}],
        [{"productId": "01", "quantity": 1}],
        [{"productId": 1, "quantity": 1}],
        [{"productId": "1", "quantity": 1}, {"productId": "1", "quantity": 2}],
        [{"productId": str(number), "quantity": 1} for number in range(1, MAX_ITEMS + 2)],
    ],
)
def test_invalid_orders_are_refused(items: Any) -> None:
    with pytest.raises(ValidationError):
        PlaceOrder.model_validate({"items": items})


async def test_the_largest_possible_total_is_exact(commerce: CommerceNodes) -> None:
    dearest = [await commerce.product(price="99999999.99") for _ in range(MAX_ITEMS)]
    order = await commerce.buy(await commerce.person(), *((product, MAX_QUANTITY) for product in dearest))
    assert order.total == total(order) == Decimal("199999999980.00")
    assert (await StoredOrder.get(id=order.id)).total == order.total


# --- the same order again -------------------------------------------------------------------------------------------


async def test_the_same_key_is_the_same_order(commerce: CommerceNodes) -> None:
    ann, bob = await commerce.person(), await commerce.person()
    admin = await commerce.person(Role.ADMIN)
    cup, mug = await commerce.product(stock=3), await commerce.product(stock=3)
    first = await commerce.buy(ann, (cup, 1), (mug, 2), key="k")
    await commerce.orders.pay(admin, first.id)
    again = await commerce.buy(ann, (mug, 2), (cup, 1), key="k", node=1)
    assert again == first, "as it was answered then"
    await refused(Code.CONFLICT, commerce.buy(ann, (cup, 2), (mug, 2), key="k"))
    await refused(Code.CONFLICT, commerce.buy(ann, await commerce.product(), key="k"))
    assert (await commerce.buy(bob, cup, key="k")).id != first.id, "a key is its user's own"
    assert (await commerce.buy(ann, cup)).id != first.id
    assert (await commerce.now(cup))[0] == 0
    assert await commerce.buy(ann, (cup, 1), (mug, 2), key="k") == first, "also when it is sold out by now"
    assert (commerce.counted("placed"), commerce.counted("repeated"), commerce.counted("conflict")) == (3, 2, 2)


async def test_a_refused_order_may_be_tried_again_with_its_key(commerce: CommerceNodes) -> None:
    ann, cup = await commerce.person(), await commerce.product(stock=0)
    await refused(Code.INSUFFICIENT_STOCK, commerce.buy(ann, cup, key="k"))
    await commerce.stock(cup, stock=1)
    assert (await commerce.buy(ann, cup, key="k")).status == "PENDING"


async def test_concurrent_repetitions_are_one_order(commerce: CommerceNodes) -> None:
    ann, cup = await commerce.person(), await commerce.product(stock=50)
    placed = await asyncio.gather(*(commerce.buy(ann, cup, key="k", node=number % 2) for number in range(40)))
    assert len({order.id for order in placed}) == 1
    assert await commerce.now(cup) == (49, 2)
    assert await StoredOrder.all().count() == 1


async def test_concurrent_orders_with_one_key_place_one(commerce: CommerceNodes) -> None:
    for number in range(10):
        ann = await commerce.person()
        products = [await commerce.product(stock=1) for _ in range(6)]
        answers = await asyncio.gather(
            *(commerce.buy(ann, product, key="k", node=n // 3) for n, product in enumerate(products)),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, Conflict) for answer in answers) == 5, answers
        assert await StoredOrder.filter(user_id=ann.user_id).count() == 1, number
        assert sum([(await commerce.now(product))[0] for product in products]) == 5


# --- afterwards -----------------------------------------------------------------------------------------------------


async def test_repeated_cancellations_return_stock_once(commerce: CommerceNodes) -> None:
    ann, admin = await commerce.person(), await commerce.person(Role.ADMIN)
    cup, mug = await commerce.product(stock=2), await commerce.product(stock=9)
    order = await commerce.buy(ann, (cup, 2), (mug, 1))
    commerce.published()
    who = [ann, admin, ann, ann]
    cancelled = await asyncio.gather(
        *(commerce.nodes[n % 2].orders.cancel(person, order.id) for n, person in enumerate(who))
    )
    assert {answer.status for answer in cancelled} == {"CANCELLED"}
    assert len({answer.cancelled_at for answer in cancelled}) == 1
    assert [await commerce.now(product) for product in (cup, mug)] == [(2, 3), (9, 3)]
    published = commerce.published()
    assert [(event, payload["data"]["status"], payload["data"]["stock"]) for event, payload in published] == [
        ("live:product:updated", "AVAILABLE", 2),
        ("live:product:updated", "AVAILABLE", 9),
    ]
    await refused(Code.CONFLICT, commerce.orders.pay(admin, order.id))
    assert commerce.counted("cancelled") == 1


async def test_waiting_cancellations_time_out(commerce: CommerceNodes, database_url: str) -> None:
    ann, cup = await commerce.person(), await commerce.product(stock=9)
    orders = [await commerce.buy(ann, cup) for _ in range(6)]
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            async with time_limit(2 * make_settings().database_timeout.total_seconds() + 0.5):
                calls = (commerce.orders.cancel(ann, order.id) for order in orders)
                answers = await asyncio.gather(*calls, return_exceptions=True)
    finally:
        await connection.close()
    assert {type(answer) for answer in answers} == {Unavailable}
    for order in orders:
        assert (await commerce.orders.cancel(ann, order.id)).status == "CANCELLED"
    assert (await commerce.now(cup))[0] == 9


async def test_a_paid_order_cannot_be_cancelled(commerce: CommerceNodes) -> None:
    ann, admin, cup = await commerce.person(), await commerce.person(Role.ADMIN), await commerce.product(stock=2)
    order = await commerce.buy(ann, cup)
    commerce.published()
    paid = await asyncio.gather(*(commerce.nodes[n % 2].orders.pay(admin, order.id) for n in range(4)))
    assert {(answer.status, answer.paid_at is not None) for answer in paid} == {("PAID", True)}
    assert commerce.published(ADMINS) == [
        ("order:paid", {"type": "order:paid", "data": paid[0].model_dump(mode="json")})
    ]
    await refused(Code.CONFLICT, commerce.orders.cancel(ann, order.id))
    assert (await commerce.now(cup))[0] == 1


async def test_concurrent_payment_and_cancellation(commerce: CommerceNodes) -> None:
    ann, admin, cup = await commerce.person(), await commerce.person(Role.ADMIN), await commerce.product(stock=100)
    orders = [await commerce.buy(ann, cup) for _ in range(20)]
    for order in orders:
        ways = [commerce.orders.cancel(ann, order.id), commerce.nodes[1].orders.pay(admin, order.id)]
        random.shuffle(ways)
        answers = await asyncio.gather(*ways, return_exceptions=True)
        assert [isinstance(answer, Conflict) for answer in answers].count(True) == 1, answers
    kept = await StoredOrder.filter(status="PAID").count()
    assert (await commerce.now(cup))[0] == 100 - kept


async def test_a_deleted_product_gets_no_stock_back(commerce: CommerceNodes) -> None:
    ann, cup, mug = await commerce.person(), await commerce.product(), await commerce.product()
    order = await commerce.buy(ann, (cup, 1), (mug, 1))
    await commerce.catalog.delete(ADMIN, cup.id)
    cancelled = await commerce.orders.cancel(ann, order.id)
    assert [(item.product_id, item.name) for item in cancelled.items] == [(None, "Cup"), (mug.id, "Cup")]
    assert (await commerce.now(mug))[0] == 100


async def test_items_keep_their_order_when_products_change(commerce: CommerceNodes) -> None:
    ann = await commerce.person()
    shelf = [await commerce.product(name=name) for name in ("Cup", "Mug", "Hat")]
    order = await commerce.buy(ann, *reversed(shelf), key="first")
    await commerce.catalog.delete(ADMIN, shelf[-1].id)  # its row is written again, behind the others
    page = await commerce.order_list.page(ann, OrderQuery())
    again = await commerce.buy(ann, *reversed(shelf), key="first")
    for found in (await commerce.order_list.get(ann, order.id), page.items[0], again):
        assert [item.name for item in found.items] == ["Hat", "Mug", "Cup"]


async def test_users_see_only_their_own_orders(commerce: CommerceNodes) -> None:
    ann, bob, admin = [await commerce.person(), await commerce.person(), await commerce.person(Role.ADMIN)]
    cup = await commerce.product()
    own = [(await commerce.buy(ann, cup)).id for _ in range(5)][::-1]
    others = (await commerce.buy(bob, cup)).id
    await commerce.orders.cancel(ann, own[1])

    async def listed(who: Any, **query: Any) -> list[str]:
        found, cursor = [], None
        while True:
            ask = OrderQuery.model_validate({"limit": 2, "cursor": cursor} | query)
            page = await commerce.order_list.page(who, ask)
            found += [order.id for order in page.items]
            if (cursor := page.next_cursor) is None:
                return found

    assert await listed(ann) == await listed(ann, userId=ann.user_id) == own
    assert await listed(ann, status="CANCELLED") == [own[1]]
    assert await listed(admin) == [others, *own]
    assert await listed(admin, userId=bob.user_id) == [others]
    with pytest.raises(Forbidden):
        await listed(ann, userId=bob.user_id)
    with pytest.raises(NotFound):
        await listed(admin, userId="nobody")
    assert (await commerce.order_list.get(admin, others)).user_id == bob.user_id
    for call in (
        commerce.order_list.get(ann, others),
        commerce.orders.cancel(ann, others),
        commerce.order_list.get(admin, "x"),
    ):
        await refused(Code.NOT_FOUND, call)


# --- many at once ---------------------------------------------------------------------------------------------------


async def test_concurrent_orders_sell_exactly_the_stock(commerce: CommerceNodes) -> None:
    people = [await commerce.person() for _ in range(20)]
    cup = await commerce.product(stock=30)
    commerce.published()
    buying = (commerce.buy(people[number % 20], cup, node=number % 2) for number in range(300))
    answers = await asyncio.gather(*buying, return_exceptions=True)
    short = [answer for answer in answers if isinstance(answer, GatewayError)]
    assert [error.code for error in short] == [Code.INSUFFICIENT_STOCK] * 270
    assert {str(error.details) for error in short} == {str([{"productId": cup.id, "requested": 1, "left": 0}])}
    assert await commerce.now(cup) == (0, 31)
    published = commerce.published()
    assert [payload["data"] for event, payload in published if event == "live:product:soldout"] == [
        {"productId": cup.id, "version": 31}
    ]
    assert sum(event == "order:purchase:notification" for event, _ in published) == 30


async def test_a_failing_order_does_not_affect_its_batch(commerce: CommerceNodes) -> None:
    ann, cup = await commerce.person(), await commerce.product(stock=5)
    nobody = principal()  # whose account was deleted
    answers = await asyncio.gather(*(commerce.buy(who, cup) for who in (ann, ann, nobody, ann)), return_exceptions=True)
    assert [isinstance(answer, Exception) for answer in answers] == [False, False, True, False]
    assert await commerce.now(cup) == (2, 4)


# --- what an admin changes --------------------------------------------------------------------------------------------


async def test_bulk_changes_are_atomic(commerce: CommerceNodes) -> None:
    await commerce.stream("other", await commerce.person(Role.HOST))
    cup, mug, hat = await commerce.product(), await commerce.product(stock=1), await commerce.product("other")
    commerce.published()
    changed = await commerce.change_many(
        {"id": hat.id, "price": "4.50"}, {"id": cup.id, "name": "Mug"}, {"id": mug.id, "stock": 0, "version": 1}
    )
    assert [(product.id, product.version) for product in changed] == [(hat.id, 2), (cup.id, 2), (mug.id, 2)]
    assert [event for event, _ in commerce.published()] == ["live:product:updated"] * 2 + ["live:product:soldout"]
    error = await refused(
        Code.CONFLICT, commerce.change_many({"id": cup.id, "stock": 1}, {"id": mug.id, "stock": 1, "version": 1})
    )
    current = (await commerce.product_list.get(mug.id)).model_dump(mode="json")
    assert error.details == {"productId": mug.id, "version": 2, "product": current}
    await refused(Code.NOT_FOUND, commerce.change_many({"id": cup.id, "stock": 1}, {"id": "999", "stock": 1}))
    assert (await commerce.now(cup), commerce.published()) == ((100, 2), [])


async def test_bulk_changes_and_orders_do_not_deadlock(commerce: CommerceNodes) -> None:
    ann = await commerce.person()
    products = [await commerce.product(stock=1000) for _ in range(5)]

    async def change(number: int) -> None:
        ids = [product.id for product in products]
        random.Random(number).shuffle(ids)
        await commerce.change_many(*({"id": each, "sortOrder": number} for each in ids))

    async def order(number: int) -> None:
        wanted = products[:]
        random.Random(number).shuffle(wanted)
        await commerce.buy(ann, *wanted, node=number % 2)

    await asyncio.gather(*(act(number) for number in range(1, 16) for act in (change, order)))
    assert {(await commerce.now(product))[0] for product in products} == {985}
    assert len({(await commerce.now(product))[1] for product in products}) == 1


async def test_deleting_a_product_removes_it_as_featured(commerce: CommerceNodes) -> None:
    host = await commerce.person(Role.HOST)
    await commerce.stream("own", host)
    cup = await commerce.product("own")
    await asyncio.gather(*(node.featured.put(host, "own", cup.id) for node in commerce.nodes for _ in range(3)))
    assert len(commerce.received.named("stream:featured-product:updated")) == 1
    await asyncio.gather(
        commerce.catalog.delete(ADMIN, cup.id), commerce.featured.put(host, "own", cup.id), return_exceptions=True
    )
    shown = [payload["productId"] for payload in commerce.received.named("stream:featured-product:updated")]
    assert shown == [cup.id, None]
    await refused(Code.NOT_FOUND, commerce.featured.put(host, "own", cup.id))
    await refused(Code.FORBIDDEN, commerce.featured.remove(host, KEY))
    await refused(Code.NOT_FOUND, commerce.featured.remove(host, "nowhere"))


# --- prices, streams that do not sell, orders that expire -------------------------------------------------------------


async def buy_at(
    commerce: CommerceNodes, who: Principal, product: Product, price: Any, key: str | None = None
) -> Order:
    ask = {"items": [{"productId": product.id, "quantity": 1, "price": price}]}
    return await commerce.orders.place(who, PlaceOrder.model_validate(ask), key)


async def test_an_order_at_an_outdated_price_is_refused(commerce: CommerceNodes) -> None:
    ann, cup = await commerce.person(), await commerce.product(price="19.90", stock=5)
    for price in (19.9, "19.90", "19.9"):
        assert (await buy_at(commerce, ann, cup, price, "k")).total == Decimal("19.90")
    await commerce.change(cup, price="25")
    error = await refused(Code.PRICE_CHANGED, buy_at(commerce, ann, cup, "19.90"))
    assert error.details == [{"productId": cup.id, "asked": 19.9, "price": 25.0}]
    assert error.status == 409
    assert await commerce.now(cup) == (4, 3)
    await refused(Code.CONFLICT, buy_at(commerce, ann, cup, "25", "k"))
    assert (await buy_at(commerce, ann, cup, 25)).total == 25


async def test_orders_are_accepted_on_live_streams_or_where_allowed(commerce: CommerceNodes) -> None:
    ann = await commerce.person()
    await commerce.stream("shy", await commerce.person(Role.HOST), sells=False)
    hat, cup = await commerce.product("shy"), await commerce.product()
    error = await refused(Code.CONFLICT, commerce.buy(ann, cup, hat))
    assert error.details == {"streamKey": "shy"}
    await commerce.streams.start(None, "shy")
    await commerce.buy(ann, cup, hat)
    await commerce.streams.stop(None, "shy")
    await refused(Code.CONFLICT, commerce.buy(ann, hat))
    await commerce.streams.cancel(ADMIN, KEY)
    await refused(Code.CONFLICT, commerce.buy(ann, cup))
    assert [(await commerce.now(product))[0] for product in (hat, cup)] == [99, 99]


async def overdue(commerce: CommerceNodes) -> None:
    """Let the time of all unpaid orders be up."""
    await commerce.database.query("UPDATE orders SET expires_at = now() - interval '1 s' WHERE status = 'PENDING'")


async def test_an_unpaid_order_expires_and_returns_stock_once(commerce: CommerceNodes) -> None:
    ann, bob = await commerce.person(), await commerce.person()
    cup, mug = await commerce.product(stock=3), await commerce.product(stock=9)
    mine = await commerce.buy(ann, (cup, 3), (mug, 2))
    theirs, paid = await commerce.buy(bob, mug), await commerce.buy(bob, mug)
    await commerce.orders.pay(ADMIN, paid.id)
    assert mine.expires_at is not None
    assert (mine.expires_at - mine.created_at).total_seconds() == 900
    await commerce.orders.expire()
    assert await commerce.now(cup) == (0, 2), "its time is not up"
    await overdue(commerce)
    commerce.published()
    commerce.received.notices.clear()
    await asyncio.gather(*(node.orders.expire() for node in commerce.nodes for _ in range(3)))
    assert [(await commerce.now(product))[0] for product in (cup, mug)] == [3, 8]
    received = commerce.received.events
    expired = [payload["data"] for room, event, payload in received if (room, event) == (ADMINS, "order:expired")]
    assert {order["id"] for order in expired} == {mine.id, theirs.id}
    assert {order["status"] for order in expired} == {"EXPIRED"}
    assert len(expired) == 2
    back = [payload["data"] for _, event, payload in received if event == "live:product:updated"]
    assert {product["status"] for product in back} == {"AVAILABLE"}
    notices = [notice for notice in commerce.received.notices if isinstance(notice, UserEvent)]
    assert {(notice.user_id, notice.event, notice.data["id"]) for notice in notices} == {
        (ann.user_id, "order:expired", mine.id),
        (bob.user_id, "order:expired", theirs.id),
    }
    assert (await commerce.order_list.get(ann, mine.id)).status == "EXPIRED"
    await refused(Code.CONFLICT, commerce.orders.pay(ADMIN, mine.id))
    assert (await commerce.orders.cancel(ann, mine.id)).status == "EXPIRED"
    assert (await commerce.now(cup))[0] == 3
    assert commerce.counted("expired") == 2


async def test_concurrent_payment_cancellation_and_expiry(commerce: CommerceNodes) -> None:
    ann, cup = await commerce.person(), await commerce.product(stock=60)
    orders = [await commerce.buy(ann, cup, node=number % 2) for number in range(60)]
    await overdue(commerce)
    calls: list[Any] = [node.orders.expire() for node in commerce.nodes for _ in range(5)]
    for order in orders:
        calls += [commerce.orders.pay(ADMIN, order.id), commerce.nodes[1].orders.cancel(ann, order.id)]
    random.Random(7).shuffle(calls)
    await asyncio.gather(*calls, return_exceptions=True)
    await commerce.orders.expire()
    stored = await StoredOrder.all()
    assert {order.status for order in stored} <= {"PAID", "CANCELLED", "EXPIRED"}
    assert (await commerce.now(cup))[0] == 60 - sum(order.status == "PAID" for order in stored)


async def test_administrators_get_the_event_of_a_cancelled_order(commerce: CommerceNodes) -> None:
    ann, cup = await commerce.person(), await commerce.product()
    order = await commerce.buy(ann, cup)
    commerce.published()
    for _ in range(2):
        cancelled = await commerce.orders.cancel(ann, order.id)
    assert commerce.published(ADMINS) == [
        ("order:cancelled", {"type": "order:cancelled", "data": cancelled.model_dump(mode="json")})
    ]


# --- deals, hosts, money --------------------------------------------------------------------------------------------


def deal(price: Any, seconds: float, **fields: Any) -> StartDeal:
    until = (now() + timedelta(seconds=seconds)).isoformat()
    return StartDeal.model_validate_json(json.dumps({"price": price, "until": until} | fields))


async def test_a_deal_ends_once(commerce: CommerceNodes) -> None:
    cup = await commerce.product(price="40.00")
    shown = await commerce.catalog.start_deal(ADMIN, cup.id, deal(35, 60))
    shown = await commerce.catalog.start_deal(ADMIN, cup.id, deal("30.00", 90))
    assert (str(shown.price), str(shown.original_price), shown.discount_rate) == ("30.00", "40.00", 25)
    assert shown.deal_ends_at is not None
    await commerce.catalog.end_deals()
    assert (await commerce.product_list.get(cup.id)).price == 30
    await commerce.database.query("UPDATE products SET deal_ends_at = now() - interval '1 ms'")
    ann = await commerce.person()
    await refused(Code.PRICE_CHANGED, buy_at(commerce, ann, cup, 30))
    commerce.published()
    await asyncio.gather(*(node.catalog.end_deals() for node in commerce.nodes for _ in range(3)))
    [(event, published)] = commerce.published()
    assert event == "live:product:updated"
    assert (published["data"]["price"], published["data"]["originalPrice"], published["data"]["dealEndsAt"]) == (
        40.0,
        None,
        None,
    )
    assert published["data"]["version"] == 4
    with pytest.raises(InvalidPayload):
        await commerce.catalog.start_deal(ADMIN, cup.id, deal(30, -1))
    await commerce.catalog.start_deal(ADMIN, cup.id, deal(30, 60))
    changed = await commerce.change(cup, price=45)
    assert (str(changed.price), changed.original_price, changed.deal_ends_at) == ("45.00", None, None), (
        "a price ends it"
    )


async def test_hosts_change_the_products_of_their_own_streams(commerce: CommerceNodes) -> None:
    host, other = await commerce.person(Role.HOST), await commerce.person(Role.HOST)
    await commerce.stream("mine", host)
    ask = CreateProduct.model_validate({"streamKey": "mine", "name": "Cup", "price": 1, "stock": 1})
    cup = await commerce.catalog.create(host, ask)
    theirs = await commerce.product()
    price = ChangeProduct.model_validate({"price": 2})
    assert (await commerce.catalog.change(host, cup.id, price)).price == 2
    several = ChangeProducts.model_validate({"items": [{"id": cup.id, "price": 3}, {"id": theirs.id, "price": 3}]})
    for call in (
        commerce.catalog.create(other, ask),
        commerce.catalog.change(other, cup.id, price),
        commerce.catalog.change_many(host, several),
        commerce.catalog.sell_out(other, cup.id),
        commerce.catalog.start_deal(other, cup.id, deal(1, 60)),
        commerce.catalog.delete(other, cup.id),
    ):
        with pytest.raises(Forbidden):
            await call
    assert (await commerce.product_list.get(cup.id)).price == 2
    stale = ChangeProduct.model_validate({"price": 9, "expectedVersion": 1})
    error = await refused(Code.CONFLICT, commerce.catalog.change(host, cup.id, stale))
    assert (error.details["version"], error.details["product"]["price"]) == (2, 2.0)
    await commerce.catalog.delete(host, cup.id)


@pytest.mark.parametrize(
    ("currency", "amount", "stored"),
    [("KRW", "1499.5", "1500"), ("KRW", "0.49", "0"), ("USD", "1499.5", "1499.50"), ("JPY", "2.50", "3")],
)
def test_amounts_are_rounded_to_minor_units(currency: str, amount: str, stored: str) -> None:
    assert str(rounded(Decimal(amount), currency)) == stored


def test_an_amount_that_is_too_high_when_rounded_is_refused() -> None:
    with pytest.raises(InvalidPayload):
        rounded(Decimal("99999999.99"), "KRW")


@pytest.mark.parametrize(
    ("locale", "others", "sentence"),
    [
        ("ko", 0, "김***님이 Cup 3개를 구매했습니다"),
        ("ko", 2, "김***님이 Cup 3개 외 2건을 구매했습니다"),
        ("en", 0, "김*** bought 3 × Cup"),
        ("en", 2, "김*** bought 3 × Cup and 2 more"),
    ],
)
async def test_purchase_notifications_are_in_the_language_of_the_shop(
    commerce: CommerceNodes, locale: str, others: int, sentence: str
) -> None:
    items = [OrderItem(stream_id=KEY, name=name, quantity=3) for name in ("Cup", "Mug", "Hat")][: 1 + others]
    [published] = purchases(masked("김철수"), items, locale)
    assert published.payload.model_dump()["message"] == sentence


def test_a_buyer_is_shown_as_one_grapheme() -> None:
    names = ("한나", unicodedata.normalize("NFD", "한나"), "👨‍👩‍👧 family", "🇰🇷 fan", "é")
    assert [masked(name) for name in names] == ["한***", "한***", "👨‍👩‍👧***", "🇰🇷***", "é***"]
