"""The limit of refused requests: counted over all nodes, remembered by the node that has seen it reached."""

import pytest

from gateway.errors import RateLimited
from gateway.security.limits.limits import MemoryLimiter
from gateway.security.limits.refused_requests import RefusedRequests


class Clock:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_user_over_the_limit_is_refused_until_the_window_moves() -> None:
    clock = Clock()
    refusals = RefusedRequests(MemoryLimiter(clock), (3, 10.0), clock)
    for _ in range(3):
        await refusals.charge("mina")
        clock.now += 1
    refusals.check("mina")
    with pytest.raises(RateLimited) as charged:
        await refusals.charge("mina")
    assert charged.value.retry_after_ms == 7000
    with pytest.raises(RateLimited) as checked:
        refusals.check("mina")
    assert checked.value.retry_after_ms == 7000
    refusals.check("juno")
    clock.now += 7
    refusals.check("mina")
    await refusals.charge("mina")


async def test_expired_entries_are_deleted() -> None:
    clock = Clock()
    refusals = RefusedRequests(MemoryLimiter(clock), (1, 1.0), clock)
    for number in range(100):
        await refusals.charge(f"u{number}")
        with pytest.raises(RateLimited):
            await refusals.charge(f"u{number}")
        clock.now += 1
    assert len(refusals._over) <= 2
