"""Which slot map of a Redis Cluster is believed: that of most servers, if it is whole."""

import pytest
from redis.crc import REDIS_CLUSTER_HASH_SLOTS as SLOTS
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.redis.cluster import Cluster, ClusterServer, SlotMap, SlotRange
from gateway.redis.url import Address

A, B, C = (Address("10.0.0.1", port) for port in (1, 2, 3))
WHOLE = SlotMap((SlotRange(0, 8191, A), SlotRange(8192, SLOTS - 1, B)), frozenset({A, B, C}))
MOVED = SlotMap((SlotRange(0, 8191, C), SlotRange(8192, SLOTS - 1, B)), frozenset({A, B, C}))
PART = SlotMap((SlotRange(0, 8191, A),), frozenset({A}))


class Asked(Cluster):
    """A cluster whose servers say what the test has them say."""

    def __init__(self) -> None:
        super().__init__([A, B, C], 1.0, {"timeout": 1.0, "max_connections": 2})
        self.said: dict[Address, SlotMap | None] = {}

    async def _ask(self, server: ClusterServer, problems: list[BaseException]) -> SlotMap | None:
        return self.said.get(server.address)

    async def owners(self, *said: SlotMap | None) -> set[Address]:
        """Who serves anything once these were said."""
        self.said = dict(zip((A, B, C), said, strict=True))
        await self.learn()
        return self.known_owners()


async def test_the_majority_of_servers_is_trusted() -> None:
    cluster = Asked()
    assert await cluster.owners(WHOLE, WHOLE, MOVED) == {A, B}
    assert await cluster.owners(MOVED, WHOLE, MOVED) == {B, C}
    assert await cluster.owners(WHOLE, None, None) == {A, B}  # of those that answer
    await cluster.close()


async def test_an_incomplete_slot_map_is_not_trusted() -> None:
    cluster = Asked()
    assert await cluster.owners(PART, WHOLE, WHOLE) == {A, B}
    version = cluster.version
    assert await cluster.owners(PART, PART, None) == {A, B}
    assert await cluster.owners(MOVED, WHOLE, None) == {A, B}  # no majority
    assert cluster.version == version
    await cluster.close()


async def test_no_server_answers() -> None:
    cluster = Asked()
    with pytest.raises(RedisConnectionError):
        await cluster.owners(None, None, None)
    await cluster.close()
