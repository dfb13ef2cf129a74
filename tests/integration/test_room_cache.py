"""The products that everybody looks at: read once for all nodes, and never older than the log of their room."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.dev.servers import RedisProcess as RedisServer
from gateway.errors import NotFound
from gateway.metrics import Metrics
from gateway.protocol.catalog import Product
from gateway.protocol.queries import ProductQuery
from gateway.redis.client import RedisClient
from tests.integration.market import KEY, Market, open_market
from tests.support import make_settings

FIRST = ProductQuery.model_validate({"streamKey": KEY})


@pytest.fixture
async def market(database_url: str, redis: RedisClient) -> AsyncIterator[Market]:
    async with open_market(database_url, redis) as market:
        yield market


def loads(market: Market, cache: str) -> float:
    return float(market.metrics.cache.labels(cache, "miss")._value.get())


def dumped(product: Product) -> dict[str, Any]:
    return product.model_dump(mode="json")


async def names(market: Market, node: int) -> list[str]:
    return [product.name for product in (await market.nodes[node].catalog.page(FIRST)).items]


async def test_a_page_is_read_once_for_all_nodes_until_it_changes(market: Market) -> None:
    cup = await market.product(name="Cup", price="19.90")
    assert await names(market, 0) == await names(market, 1) == await names(market, 0) == ["Cup"]
    assert loads(market, "products") == 1
    [listed] = (await market.catalog.page(FIRST)).items
    assert dumped(listed) == dumped(await market.catalog.get(cup.id))
    await market.change(cup, name="Bowl")
    assert await names(market, 1) == ["Bowl"]
    await market.catalog.delete(cup.id)
    assert await names(market, 1) == []


async def test_a_product_is_on_its_card_as_the_last_change_left_it(market: Market) -> None:
    cup = await market.product(price="19.90", stock=3)
    one, other = (node.catalog for node in market.nodes)
    assert dumped(await other.get(cup.id)) == dumped(cup)
    buyer = await market.person()
    for left in (2, 1, 0):
        await market.buy(buyer, cup, node=left % 2)
        assert [(await catalog.get(cup.id)).stock for catalog in (one, other)] == [left, left]
    assert loads(market, "cards") == 0, "every change has written it"
    await one.delete(cup.id)
    with pytest.raises(NotFound):
        await other.get(cup.id)
    assert loads(market, "cards") == 0


async def test_joins_at_once_are_one_read(market: Market) -> None:
    cup = await market.product()
    joins = await asyncio.gather(*(market.storefront.snapshot(KEY, None) for _ in range(30)))
    assert {join.products[0].id for join in joins} == {cup.id}
    assert loads(market, "shelves") == 1


async def test_whoever_joins_after_a_change_sees_it(market: Market) -> None:
    cup = await market.product(stock=50)
    for left in range(49, 30, -1):
        await market.stock(cup, node=left % 2, change=-1)
        joins = await asyncio.gather(*(market.storefront.snapshot(KEY, None) for _ in range(3)))
        assert [join.products[0].stock for join in joins] == [left] * 3


async def test_what_is_read_is_at_least_as_new_as_the_cursor(market: Market) -> None:
    """Products change all the time: whoever joins finds each no older than what they will hear next."""
    cup = await market.product(stock=1000)

    async def change() -> None:
        for _ in range(60):
            await market.stock(cup, change=-1)

    changing = asyncio.create_task(change())
    while not changing.done():
        for join in await asyncio.gather(*(market.storefront.snapshot(KEY, None) for _ in range(5))):
            assert join.products[0].version >= join.cursor.seq, "one event a version, the first one is its creation"
    await changing


async def test_a_stream_that_is_none_has_no_products(market: Market) -> None:
    assert (await market.catalog.page(ProductQuery.model_validate({"streamKey": "nowhere"}))).items == []
    with pytest.raises(NotFound):
        await market.storefront.snapshot("nowhere", None)


async def test_without_redis_everything_is_read(database_url: str, own_redis: RedisServer) -> None:
    redis = RedisClient(make_settings(redis_url=own_redis.url, redis_timeout="300ms"), Metrics())
    async with open_market(database_url, redis) as market:
        cup = await market.product()
        assert await names(market, 0) == ["Cup"]
        own_redis.kill()
        await market.change(cup, name="Bowl")
        assert await names(market, 1) == ["Bowl"]
        own_redis.start()
        async with asyncio.timeout(5):
            while not await redis.ping():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await names(market, 0) == await names(market, 1) == ["Bowl"]
    await redis.close()
