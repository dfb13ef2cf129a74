"""Orders on a real PostgreSQL: all or nothing, each once, never more than there is, and what the rooms hear of it."""

import asyncio
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from pydantic import ValidationError

from gateway.errors import Code, Conflict, Forbidden, GatewayError, NotFound, Unavailable
from gateway.keys import products_room
from gateway.protocol.orders import MAX_ITEMS, MAX_QUANTITY, PlaceOrder
from gateway.protocol.queries import OrderQuery
from gateway.redis.client import RedisClient
from gateway.security.principal import Role
from models.order import Order as StoredOrder
from tests.doubles import principal
from tests.integration.commerce_nodes import ADMINS, KEY, CommerceNodes, open_commerce_nodes, total
from tests.support import make_settings
from tests.timing import time_limit


@pytest.fixture
async def commerce(database_url: str, redis: RedisClient) -> AsyncIterator[CommerceNodes]:
    async with open_commerce_nodes(database_url, redis) as commerce:
        yield commerce


async def refused(code: Code, call: Any) -> GatewayError:
    """A call is refused with a code."""
    with pytest.raises(GatewayError) as caught:
        await call
    assert caught.value.code == code
    return caught.value


# --- placing --------------------------------------------------------------------------------------------------------


async def test_an_order_is_stored_and_told(commerce: CommerceNodes) -> None:
    ann = await commerce.person()
    cup, mug = await commerce.product(price="19.90", stock=9), await commerce.product(name="Mug", price=0.1, stock=6)
    commerce.told()
    order = await commerce.buy(ann, (cup, 3), (mug, 2))
    assert (order.status, order.total, order.user_id) == ("PENDING", Decimal("59.90"), ann.user_id)
    assert [(item.product_id, item.name, str(item.price), item.quantity, item.stream_key) for item in order.items] == [
        (cup.id, "Cup", "19.90", 3, KEY),
        (mug.id, "Mug", "0.10", 2, KEY),
    ]
    heard = commerce.heard.events[:]
    assert [event for event, _ in commerce.told()] == [
        "live:product:updated",
        "live:product:updated",
        "product:low-stock",
        "order:purchase:notification",
    ]
    updated = [payload["data"] for _, event, payload in heard if event == "live:product:updated"]
    stored = [(await commerce.catalog.get(product.id)).model_dump(mode="json") for product in (cup, mug)]
    assert updated == stored, "what is told is what is stored"
    purchase = {"streamKey": KEY, "displayName": "s***", "message": "s*** bought 3 × Cup and 1 more"}
    assert heard[-2][1:] == ("order:purchase:notification", purchase)
    new = {"type": "order:new", "data": order.model_dump(mode="json")}
    assert heard[-1] == (ADMINS, "order:new", new)
    assert await commerce.orders.get(ann, order.id) == order
    assert [event for _, event in await commerce.logged(ADMINS)] == ["order:new"]
    assert [seq for seq, _ in await commerce.logged(products_room(KEY))] == [1, 2, 3, 4, 5, 6]


async def test_an_order_is_all_or_nothing(commerce: CommerceNodes) -> None:
    ann = await commerce.person()
    await commerce.stream("other", await commerce.person(Role.HOST))
    cup, mug = await commerce.product(stock=5), await commerce.product(stock=1)
    hat = await commerce.product("other", stock=2)
    commerce.told()
    error = await refused(Code.INSUFFICIENT_STOCK, commerce.buy(ann, (cup, 5), (mug, 2), (hat, 3)))
    assert error.details == [
        {"productId": mug.id, "requested": 2, "left": 1},
        {"productId": hat.id, "requested": 3, "left": 2},
    ]
    await commerce.catalog.delete(hat.id)
    commerce.told()
    await refused(Code.NOT_FOUND, commerce.buy(ann, (cup, 1), (hat, 1)))
    assert [await commerce.now(product) for product in (cup, mug)] == [(5, 1), (1, 1)]
    assert (commerce.told(), await StoredOrder.all().count()) == ([], 0)


async def test_an_order_of_several_streams_is_told_in_each(commerce: CommerceNodes) -> None:
    await commerce.stream("other", await commerce.person(Role.HOST))
    cup, hat = await commerce.product(stock=1), await commerce.product("other", name="Hat", stock=2)
    commerce.told()
    await commerce.buy(await commerce.person(), (hat, 1), (cup, 1))
    heard = commerce.heard.events[:]
    assert [event for event, _ in commerce.told()] == [
        "live:product:updated",
        "live:product:soldout",
        "order:purchase:notification",
    ]
    here = [(event, payload) for room, event, payload in heard if room == products_room("other")]
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


async def test_the_total_of_the_dearest_order_there_can_be_is_exact(commerce: CommerceNodes) -> None:
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


async def test_what_was_refused_may_be_tried_again_under_its_key(commerce: CommerceNodes) -> None:
    ann, cup = await commerce.person(), await commerce.product(stock=0)
    await refused(Code.INSUFFICIENT_STOCK, commerce.buy(ann, cup, key="k"))
    await commerce.stock(cup, stock=1)
    assert (await commerce.buy(ann, cup, key="k")).status == "PENDING"


async def test_twins_at_the_same_moment_are_one_order(commerce: CommerceNodes) -> None:
    ann, cup = await commerce.person(), await commerce.product(stock=50)
    placed = await asyncio.gather(*(commerce.buy(ann, cup, key="k", node=number % 2) for number in range(40)))
    assert len({order.id for order in placed}) == 1
    assert await commerce.now(cup) == (49, 2)
    assert await StoredOrder.all().count() == 1


async def test_one_key_for_different_orders_at_the_same_moment_is_one_of_them(commerce: CommerceNodes) -> None:
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


async def test_cancelling_gives_back_once_however_often_it_is_asked(commerce: CommerceNodes) -> None:
    ann, admin = await commerce.person(), await commerce.person(Role.ADMIN)
    cup, mug = await commerce.product(stock=2), await commerce.product(stock=9)
    order = await commerce.buy(ann, (cup, 2), (mug, 1))
    commerce.told()
    who = [ann, admin, ann, ann]
    cancelled = await asyncio.gather(
        *(commerce.nodes[n % 2].orders.cancel(person, order.id) for n, person in enumerate(who))
    )
    assert {answer.status for answer in cancelled} == {"CANCELLED"}
    assert len({answer.cancelled_at for answer in cancelled}) == 1
    assert [await commerce.now(product) for product in (cup, mug)] == [(2, 3), (9, 3)]
    told = commerce.told()
    assert [(event, payload["data"]["status"], payload["data"]["stock"]) for event, payload in told] == [
        ("live:product:updated", "AVAILABLE", 2),
        ("live:product:updated", "AVAILABLE", 9),
    ]
    await refused(Code.CONFLICT, commerce.orders.pay(admin, order.id))
    assert commerce.counted("cancelled") == 1


async def test_who_cancels_behind_others_hears_in_time_that_it_cannot_be_done(
    commerce: CommerceNodes, database_url: str
) -> None:
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


async def test_paid_once_and_not_cancelled_any_more(commerce: CommerceNodes) -> None:
    ann, admin, cup = await commerce.person(), await commerce.person(Role.ADMIN), await commerce.product(stock=2)
    order = await commerce.buy(ann, cup)
    commerce.told()
    paid = await asyncio.gather(*(commerce.nodes[n % 2].orders.pay(admin, order.id) for n in range(4)))
    assert {(answer.status, answer.paid_at is not None) for answer in paid} == {("PAID", True)}
    assert commerce.told(ADMINS) == [("order:paid", {"type": "order:paid", "data": paid[0].model_dump(mode="json")})]
    await refused(Code.CONFLICT, commerce.orders.cancel(ann, order.id))
    assert (await commerce.now(cup))[0] == 1


async def test_paying_and_cancelling_at_once_is_one_of_them(commerce: CommerceNodes) -> None:
    ann, admin, cup = await commerce.person(), await commerce.person(Role.ADMIN), await commerce.product(stock=100)
    orders = [await commerce.buy(ann, cup) for _ in range(20)]
    for order in orders:
        ways = [commerce.orders.cancel(ann, order.id), commerce.nodes[1].orders.pay(admin, order.id)]
        random.shuffle(ways)
        answers = await asyncio.gather(*ways, return_exceptions=True)
        assert [isinstance(answer, Conflict) for answer in answers].count(True) == 1, answers
    kept = await StoredOrder.filter(status="PAID").count()
    assert (await commerce.now(cup))[0] == 100 - kept


async def test_a_product_that_is_gone_takes_nothing_back(commerce: CommerceNodes) -> None:
    ann, cup, mug = await commerce.person(), await commerce.product(), await commerce.product()
    order = await commerce.buy(ann, (cup, 1), (mug, 1))
    await commerce.catalog.delete(cup.id)
    cancelled = await commerce.orders.cancel(ann, order.id)
    assert [(item.product_id, item.name) for item in cancelled.items] == [(None, "Cup"), (mug.id, "Cup")]
    assert (await commerce.now(mug))[0] == 100


async def test_the_items_keep_their_order_whatever_becomes_of_the_products(commerce: CommerceNodes) -> None:
    ann = await commerce.person()
    shelf = [await commerce.product(name=name) for name in ("Cup", "Mug", "Hat")]
    order = await commerce.buy(ann, *reversed(shelf), key="first")
    await commerce.catalog.delete(shelf[-1].id)  # its row is written anew, behind the others
    page = await commerce.orders.page(ann, OrderQuery())
    again = await commerce.buy(ann, *reversed(shelf), key="first")
    for found in (await commerce.orders.get(ann, order.id), page.items[0], again):
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
            page = await commerce.orders.page(who, ask)
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
    assert (await commerce.orders.get(admin, others)).user_id == bob.user_id
    for call in (
        commerce.orders.get(ann, others),
        commerce.orders.cancel(ann, others),
        commerce.orders.get(admin, "x"),
    ):
        await refused(Code.NOT_FOUND, call)


# --- many at once ---------------------------------------------------------------------------------------------------


async def test_a_crowd_buys_exactly_what_there_is(commerce: CommerceNodes) -> None:
    people = [await commerce.person() for _ in range(20)]
    cup = await commerce.product(stock=30)
    commerce.told()
    buying = (commerce.buy(people[number % 20], cup, node=number % 2) for number in range(300))
    answers = await asyncio.gather(*buying, return_exceptions=True)
    short = [answer for answer in answers if isinstance(answer, GatewayError)]
    assert [error.code for error in short] == [Code.INSUFFICIENT_STOCK] * 270
    assert {str(error.details) for error in short} == {str([{"productId": cup.id, "requested": 1, "left": 0}])}
    assert await commerce.now(cup) == (0, 31)
    told = commerce.told()
    assert [payload["data"] for event, payload in told if event == "live:product:soldout"] == [
        {"productId": cup.id, "version": 31}
    ]
    assert sum(event == "order:purchase:notification" for event, _ in told) == 30


async def test_orders_that_cannot_be_stored_leave_the_others_alone(commerce: CommerceNodes) -> None:
    ann, cup = await commerce.person(), await commerce.product(stock=5)
    nobody = principal()  # whose account is not there any more
    answers = await asyncio.gather(*(commerce.buy(who, cup) for who in (ann, ann, nobody, ann)), return_exceptions=True)
    assert [isinstance(answer, Exception) for answer in answers] == [False, False, True, False]
    assert await commerce.now(cup) == (2, 4)


# --- what an admin changes --------------------------------------------------------------------------------------------


async def test_many_changes_are_all_made_or_none(commerce: CommerceNodes) -> None:
    await commerce.stream("other", await commerce.person(Role.HOST))
    cup, mug, hat = await commerce.product(), await commerce.product(stock=1), await commerce.product("other")
    commerce.told()
    changed = await commerce.change_many(
        {"id": hat.id, "price": "4.50"}, {"id": cup.id, "name": "Mug"}, {"id": mug.id, "stock": 0, "version": 1}
    )
    assert [(product.id, product.version) for product in changed] == [(hat.id, 2), (cup.id, 2), (mug.id, 2)]
    assert [event for event, _ in commerce.told()] == ["live:product:updated"] * 2 + ["live:product:soldout"]
    error = await refused(
        Code.CONFLICT, commerce.change_many({"id": cup.id, "stock": 1}, {"id": mug.id, "stock": 1, "version": 1})
    )
    assert error.details == {"productId": mug.id, "version": 2}
    await refused(Code.NOT_FOUND, commerce.change_many({"id": cup.id, "stock": 1}, {"id": "999", "stock": 1}))
    assert (await commerce.now(cup), commerce.told()) == ((100, 2), [])


async def test_many_changes_and_orders_of_the_same_products_do_not_block_each_other(commerce: CommerceNodes) -> None:
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


async def test_what_a_stream_shows_first_goes_with_the_product(commerce: CommerceNodes) -> None:
    host = await commerce.person(Role.HOST)
    await commerce.stream("own", host)
    cup = await commerce.product("own")
    await asyncio.gather(*(node.featured.put(host, "own", cup.id) for node in commerce.nodes for _ in range(3)))
    assert len(commerce.heard.named("stream:featured-product:updated")) == 1
    await asyncio.gather(
        commerce.catalog.delete(cup.id), commerce.featured.put(host, "own", cup.id), return_exceptions=True
    )
    shown = [payload["productId"] for payload in commerce.heard.named("stream:featured-product:updated")]
    assert shown == [cup.id, None]
    await refused(Code.NOT_FOUND, commerce.featured.put(host, "own", cup.id))
    await refused(Code.FORBIDDEN, commerce.featured.remove(host, KEY))
    await refused(Code.NOT_FOUND, commerce.featured.remove(host, "nowhere"))
