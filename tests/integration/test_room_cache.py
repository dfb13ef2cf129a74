"""The products that everybody looks at: read once on each node, and never older than the log of their room."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.dev.servers import RedisProcess as RedisServer
from gateway.errors import NotFound
from gateway.metrics import Metrics
from gateway.protocol.payloads.catalog import Product
from gateway.protocol.queries import ProductQuery
from gateway.redis.client import RedisClient
from tests.integration.commerce_nodes import ADMIN, KEY, CommerceNodes, open_commerce_nodes
from tests.support import make_settings
from tests.timing import until

FIRST = ProductQuery.model_validate({"streamKey": KEY})


@pytest.fixture
async def commerce(database_url: str, redis: RedisClient) -> AsyncIterator[CommerceNodes]:
    async with open_commerce_nodes(database_url, redis) as commerce:
        yield commerce


def loads(commerce: CommerceNodes, cache: str) -> float:
    return float(commerce.metrics.cache.labels(cache, "miss")._value.get())


def dumped(product: Product) -> dict[str, Any]:
    return product.model_dump(mode="json")


async def names(commerce: CommerceNodes, node: int) -> list[str]:
    return [product.name for product in (await commerce.nodes[node].product_list.page(FIRST)).items]


async def test_a_page_is_read_once_on_each_node_until_it_changes(commerce: CommerceNodes) -> None:
    cup = await commerce.product(name="Cup", price="19.90")
    assert await names(commerce, 0) == await names(commerce, 1) == await names(commerce, 0) == ["Cup"]
    assert loads(commerce, "products") == 2
    [listed] = (await commerce.product_list.page(FIRST)).items
    assert dumped(listed) == dumped(await commerce.product_list.get(cup.id))
    await commerce.change(cup, name="Bowl")
    assert await names(commerce, 1) == ["Bowl"]
    await commerce.catalog.delete(ADMIN, cup.id)
    assert await names(commerce, 1) == []


async def test_a_cached_product_has_the_last_change(commerce: CommerceNodes) -> None:
    cup = await commerce.product(price="19.90", stock=3)
    one, other = (node.product_list for node in commerce.nodes)
    assert dumped(await other.get(cup.id)) == dumped(cup)
    buyer = await commerce.person()
    for left in (2, 1, 0):
        await commerce.buy(buyer, cup, node=left % 2)
        assert [(await products.get(cup.id)).stock for products in (one, other)] == [left, left]
    assert loads(commerce, "cards") == 0, "every change has written it"
    await commerce.catalog.delete(ADMIN, cup.id)
    with pytest.raises(NotFound):
        await other.get(cup.id)
    assert loads(commerce, "cards") == 0


async def test_concurrent_joins_share_one_read(commerce: CommerceNodes) -> None:
    cup = await commerce.product()
    joins = await asyncio.gather(*(commerce.storefront.snapshot(KEY, None) for _ in range(30)))
    assert {join.products[0].id for join in joins} == {cup.id}
    assert loads(commerce, "shelves") == 1


async def test_a_join_after_a_change_includes_it(commerce: CommerceNodes) -> None:
    cup = await commerce.product(stock=50)
    for left in range(49, 30, -1):
        await commerce.stock(cup, node=left % 2, change=-1)
        joins = await asyncio.gather(*(commerce.storefront.snapshot(KEY, None) for _ in range(3)))
        assert [join.products[0].stock for join in joins] == [left] * 3


async def test_a_cached_value_is_at_least_as_new_as_the_cursor(commerce: CommerceNodes) -> None:
    """Products change all the time: a joining client gets each no older than before its next event."""
    cup = await commerce.product(stock=1000)

    async def change() -> None:
        for _ in range(60):
            await commerce.stock(cup, change=-1)

    changing = asyncio.create_task(change())
    while not changing.done():
        for join in await asyncio.gather(*(commerce.storefront.snapshot(KEY, None) for _ in range(5))):
            assert join.products[0].version >= join.cursor.seq, "one event a version, the first one is its creation"
    await changing


async def test_an_unknown_stream_has_no_products(commerce: CommerceNodes) -> None:
    assert (await commerce.product_list.page(ProductQuery.model_validate({"streamKey": "nowhere"}))).items == []
    with pytest.raises(NotFound):
        await commerce.storefront.snapshot("nowhere", None)


async def test_without_redis_nothing_is_cached(database_url: str, own_redis: RedisServer) -> None:
    redis = RedisClient(make_settings(redis_url=own_redis.url, redis_timeout="300ms"), Metrics())
    async with open_commerce_nodes(database_url, redis) as commerce:
        cup = await commerce.product()
        assert await names(commerce, 0) == ["Cup"]
        own_redis.kill()
        await commerce.change(cup, name="Bowl")
        assert await names(commerce, 1) == ["Bowl"]
        own_redis.start()
        await until(redis.ping)
        assert await names(commerce, 0) == await names(commerce, 1) == ["Bowl"]
    await redis.close()
