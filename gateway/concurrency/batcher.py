"""Calls that share round trips: who comes while one is under way is in the next. Used by limits and messages."""

import asyncio
import copy
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class _Call(NamedTuple, Generic[Request, Answer]):
    ask: Request
    answer: asyncio.Future[Answer | Exception]


class Batcher(Generic[Request, Answer]):
    """One batch at a time; while it is under way the next one gathers. There is no timer.

    So a call that comes alone is worked on at once, and the more there are, the less each of them costs. `work` gets up
    to `most` asks in the order of their coming, and returns an answer or an error for each of them. What it raises is
    for all of them; `unavailable` is for those behind them, too: they have waited for as long, and would wait again.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[Request]], Awaitable[Sequence[Answer | Exception]]],
        *,
        most: int,
        waiting: int,
        unavailable: type[Exception],  # made of a name when too many wait
    ) -> None:
        self._name = name
        self._work = work
        self._most = most
        self._limit = waiting
        self._unavailable = unavailable
        self._waiting = 0  # calls without an answer
        self._queue: deque[_Call[Request, Answer]] = deque()
        self._task: asyncio.Task[None] | None = None  # while there is something to do
        self._closed = False

    async def call(self, ask: Request) -> Answer:
        """The answer of `work`. Raises its error, or `unavailable` when too many wait, or after `close`.

        A caller that is cancelled leaves the others alone; what it asked for is done if it was begun.
        """
        if self._closed or self._waiting >= self._limit:
            raise self._unavailable(self._name)
        call: _Call[Request, Answer] = _Call(ask, asyncio.get_running_loop().create_future())
        self._queue.append(call)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._name)
        self._waiting += 1
        try:
            answer = await call.answer
        finally:
            self._waiting -= 1
        if isinstance(answer, Exception):
            try:
                raise answer
            finally:
                del answer, call  # or the error and this frame keep each other, and all that the frames above hold
        return answer

    async def close(self) -> None:
        """Take no more calls; returns when those that were taken are answered."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._queue:
                taken = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
                if batch := [call for call in taken if not call.answer.done()]:  # the others were cancelled
                    await self._serve(batch)
        finally:
            self._task = None

    async def _serve(self, batch: list[_Call[Request, Answer]]) -> None:
        try:
            answers = await self._work([call.ask for call in batch])
        except self._unavailable as error:
            for call in [*batch, *self._queue]:
                _settle(call, copy.copy(error))  # each its own: who raises one writes into it
            self._queue.clear()
        except Exception as error:
            for call in batch:
                _settle(call, error)
        else:
            for call, answer in zip(batch, answers, strict=True):
                _settle(call, answer)


def _settle(call: _Call[Request, Answer], answer: Answer | Exception) -> None:
    if not call.answer.done():
        call.answer.set_result(answer)
