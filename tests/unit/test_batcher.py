"""Batches: which calls share one, how errors and cancellations reach callers, and closing."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Sequence

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from gateway.concurrency.batcher import Batcher
from gateway.errors import Conflict, Unavailable


class Work:
    """Doubles numbers, when it is let; refuses negative ones."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.error: Exception | None = None
        self.gathering: Batcher[int, int] = Batcher("numbers", self.run, most=3, waiting=8, unavailable=Unavailable)

    async def run(self, numbers: list[int]) -> Sequence[int | Exception]:
        self.batches.append(numbers)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return [Conflict() if number < 0 else 2 * number for number in numbers]

    async def begin(self, *numbers: int) -> list[asyncio.Task[int]]:
        """Start calls in this order."""
        calls = [asyncio.create_task(self.gathering.call(number)) for number in numbers]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return calls


@pytest.fixture
async def work() -> AsyncIterator[Work]:
    work = Work()
    yield work
    work.open.set()
    await work.gathering.close()


async def outcomes(calls: list[asyncio.Task[int]]) -> list[int | type[BaseException]]:
    results = await asyncio.gather(*calls, return_exceptions=True)
    return [type(result) if isinstance(result, BaseException) else result for result in results]


async def test_the_first_call_runs_at_once_and_later_ones_form_a_batch(work: Work) -> None:
    calls = await work.begin(1)
    assert work.batches == [[1]]
    calls += await work.begin(2, 3, 4, 5)
    assert work.batches == [[1]]
    work.open.set()
    assert await outcomes(calls) == [2, 4, 6, 8, 10]
    assert work.batches == [[1], [2, 3, 4], [5]]
    assert await work.gathering.call(6) == 12


async def test_an_error_result_reaches_only_its_call(work: Work) -> None:
    calls = await work.begin(1, 2, -3, 4)
    work.open.set()
    assert await outcomes(calls) == [2, 4, Conflict, 8]


async def test_an_exception_reaches_all_calls_of_its_batch(work: Work) -> None:
    work.error = ZeroDivisionError()
    calls = await work.begin(1, 2)
    work.open.set()
    assert await outcomes(calls) == [ZeroDivisionError] * 2
    work.error = None
    assert await work.gathering.call(3) == 6


async def test_unavailable_also_reaches_waiting_calls(work: Work) -> None:
    work.error = Unavailable("numbers")
    calls = await work.begin(1)
    calls += await work.begin(2, 3, 4, 5)
    work.open.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 5
    assert len(set(map(id, results))) == 5
    assert work.batches == [[1]]
    work.error = None
    assert await work.gathering.call(6) == 12


async def test_the_queue_is_bounded(work: Work) -> None:
    calls = await work.begin(*range(8))
    with pytest.raises(Unavailable):
        await work.gathering.call(8)
    calls[7].cancel()
    await asyncio.sleep(0)
    calls += await work.begin(9)
    work.open.set()
    assert await outcomes(calls) == [0, 2, 4, 6, 8, 10, 12, asyncio.CancelledError, 18]


async def test_cancelling_one_call_leaves_the_others(work: Work) -> None:
    calls = await work.begin(1)
    calls += await work.begin(2, 3, 4)
    for cancelled in (calls[0], calls[2]):  # one that is worked on, one that waits
        cancelled.cancel()
    await asyncio.sleep(0)
    work.open.set()
    assert await outcomes(calls) == [asyncio.CancelledError, 4, asyncio.CancelledError, 8]
    assert work.batches == [[1], [2, 4]]


async def test_closing_waits_for_accepted_calls(work: Work) -> None:
    calls = await work.begin(1)
    calls += await work.begin(2, 3, 4, 5)
    closing = asyncio.create_task(work.gathering.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await work.gathering.call(6)
    assert not closing.done()
    work.open.set()
    await closing
    assert await outcomes(calls) == [2, 4, 6, 8, 10]


async def test_an_error_keeps_no_references(work: Work) -> None:
    """It knows the frames that it went through; a frame that knew it would wait for the collector."""
    work.open.set()
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(Conflict) as caught:
            await work.gathering.call(-1)
        gone = weakref.ref(caught.value)
        del caught
        await asyncio.sleep(0)
        assert gone() is None
    finally:
        gc.enable()


async def test_a_batch_does_not_inherit_the_log_context_of_its_first_call() -> None:
    contexts: list[dict[str, object]] = []

    async def run(numbers: list[int]) -> list[int | Exception]:
        contexts.append(get_contextvars())
        return list(numbers)

    batcher: Batcher[int, int] = Batcher("numbers", run, most=3, waiting=8, unavailable=Unavailable)
    with bound_contextvars(request_id="of the first call"):
        assert await batcher.call(1) == 1
    assert contexts == [{}]
    await batcher.close()
