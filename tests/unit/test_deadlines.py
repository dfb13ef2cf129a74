"""One timer for the time limits of many pieces of work."""

import asyncio

import pytest

from gateway.concurrency.timeouts import Deadlines


async def test_deadlines_cancel_only_late_calls() -> None:
    deadlines = Deadlines(0.02)
    forever = asyncio.Event()

    async def work(wait: bool) -> str:
        with deadlines:
            await (forever.wait() if wait else asyncio.sleep(0))
        await asyncio.sleep(0.04)  # outside of it there is no limit
        return "done"

    results = await asyncio.gather(*(work(wait) for wait in (True, False, True)), return_exceptions=True)
    assert [type(result) for result in results] == [TimeoutError, str, TimeoutError]
    assert not deadlines.pending


async def test_the_timer_continues_for_later_calls() -> None:
    deadlines = Deadlines(0.02)

    async def hang() -> None:
        with deadlines:
            await asyncio.Event().wait()

    with deadlines:
        """Set the timer, and end before it is due."""
    await asyncio.sleep(0.01)  # the timer of that call is half over
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await hang()
    assert not deadlines.pending


async def test_an_error_of_the_call_is_raised() -> None:
    deadlines = Deadlines(1)
    with pytest.raises(ValueError, match="mine"), deadlines:
        raise ValueError("mine")
    assert not deadlines.pending


async def test_a_cancellation_from_outside_is_kept() -> None:
    deadlines = Deadlines(0.02)

    async def hang() -> None:
        with deadlines:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0.05)  # the limit is reached during this
                raise

    task = asyncio.ensure_future(hang())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not deadlines.pending


async def test_the_inner_of_two_time_limits_is_raised() -> None:
    outer, inner = Deadlines(5), Deadlines(0.01)
    with outer:
        with pytest.raises(TimeoutError), inner:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
    assert not outer.pending
    assert not inner.pending
