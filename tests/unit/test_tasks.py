"""The end of background tasks."""

import asyncio

import pytest

from gateway.concurrency.tasks import cancel


async def forever() -> None:
    await asyncio.Event().wait()


async def test_cancelled_tasks_have_ended() -> None:
    tasks = [asyncio.create_task(forever()) for _ in range(2)]
    await asyncio.sleep(0)
    await cancel(*tasks, None)
    assert all(task.cancelled() for task in tasks)
    await cancel()


async def test_the_error_of_a_task_is_raised_and_the_others_have_ended() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    failed, other = asyncio.create_task(fail()), asyncio.create_task(forever())
    await asyncio.sleep(0)
    with pytest.raises(ZeroDivisionError):
        await cancel(failed, other)
    assert other.cancelled()


async def test_the_cancellation_of_the_caller_is_not_swallowed() -> None:
    released = asyncio.Event()

    async def linger() -> None:
        try:
            await forever()
        finally:
            await released.wait()

    task = asyncio.create_task(linger())
    await asyncio.sleep(0)
    caller = asyncio.create_task(cancel(task))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    released.set()
    await asyncio.wait([task])
