"""Batches concurrent requests: those that arrive while a batch is being worked on form the next one.

Used by limits, look-ups that share a round trip, and the writers of messages and orders.
"""

import asyncio
import copy
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, NamedTuple, TypeVar

import structlog

log = structlog.get_logger()

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class _Call(NamedTuple, Generic[Request, Answer]):
    ask: Request
    answer: asyncio.Future[Answer | Exception]


class _Lane(Generic[Request, Answer]):
    """The requests of one lane that have no answer yet, and the task that works on them while there are any."""

    __slots__ = ("alone", "name", "queue", "task", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.queue: deque[_Call[Request, Answer]] = deque()
        self.alone = 0  # requests at the head of the queue that are repeated one by one
        self.task: asyncio.Task[None] | None = None
        self.waiting = 0  # requests without an answer, including the current batch


class Batcher(Generic[Request, Answer]):
    """Works on one batch per lane at a time, without a timer: a single request is processed immediately.

    Args:
        name: The name of the tasks, and the argument of `unavailable`.
        work: Gets up to `most` requests in the order of their arrival, and returns an answer or an error for each.
        most: The maximum of requests in one batch.
        waiting: The maximum of requests of one lane without an answer; more are refused.
        unavailable: The error for a refused request, made of `name`. When `work` raises it, all requests that wait in
            the lane fail with it, too: they have waited for as long, and would wait again.
        lanes: The number of concurrent batches.
        retry: Whether the requests of a batch for which `work` raises another error are repeated one by one, so that
            one bad request does not fail the others. Otherwise all requests of the batch fail.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[Request]], Awaitable[Sequence[Answer | Exception]]],
        *,
        most: int,
        waiting: int,
        unavailable: type[Exception],
        lanes: int = 1,
        retry: bool = False,
    ) -> None:
        self._name = name
        self._work = work
        self._most = most
        self._limit = waiting
        self._unavailable = unavailable
        self._retry = retry
        self._lanes: list[_Lane[Request, Answer]] = [
            _Lane(name if lanes == 1 else f"{name}-{number}") for number in range(lanes)
        ]
        self._closed = False

    async def call(self, ask: Request, lane: int = 0) -> Answer:
        """Answer a request. Requests of the same `lane`, modulo the number of lanes, are never worked on concurrently.

        Cancelling a call does not affect the others; a request whose batch has begun is still worked on.

        Raises:
            Exception: The error of `work`; `unavailable` when too many requests wait, or after `close`.
        """
        chosen = self._lanes[lane % len(self._lanes)]
        if self._closed or chosen.waiting >= self._limit:
            raise self._unavailable(self._name)
        call: _Call[Request, Answer] = _Call(ask, asyncio.get_running_loop().create_future())
        chosen.queue.append(call)
        if chosen.task is None:
            # In a new context: else log entries of all batches would carry the request id of the first request.
            chosen.task = asyncio.get_running_loop().create_task(self._run(chosen), name=chosen.name, context=Context())
        chosen.waiting += 1
        try:
            answer = await call.answer
        finally:
            chosen.waiting -= 1
        if isinstance(answer, Exception):
            try:
                raise answer
            finally:
                del answer, call  # breaks the reference cycle of the error and this frame
        return answer

    async def close(self) -> None:
        """Refuse further requests; return when those that were accepted are answered."""
        self._closed = True
        if tasks := [lane.task for lane in self._lanes if lane.task is not None]:
            await asyncio.wait(tasks)

    async def _run(self, lane: _Lane[Request, Answer]) -> None:
        try:
            while lane.queue:
                count = 1 if lane.alone else min(self._most, len(lane.queue))
                lane.alone = max(0, lane.alone - 1)
                taken = [lane.queue.popleft() for _ in range(count)]
                if batch := [call for call in taken if not call.answer.done()]:  # without cancelled calls
                    await self._serve(lane, batch)
        finally:
            lane.task = None

    async def _serve(self, lane: _Lane[Request, Answer], batch: list[_Call[Request, Answer]]) -> None:
        try:
            answers = await self._work([call.ask for call in batch])
        except self._unavailable as error:
            for call in [*batch, *lane.queue]:
                _set_answer(call, copy.copy(error))  # a copy for each caller: raising an error changes its traceback
            lane.queue.clear()
            lane.alone = 0
        except Exception as error:
            if self._retry and len(batch) > 1:
                log.warning("a batch was refused", of=self._name, requests=len(batch), reason=type(error).__name__)
                lane.queue.extendleft(reversed(batch))
                lane.alone = len(batch)
                return
            for call in batch:
                _set_answer(call, error)
        else:
            for call, answer in zip(batch, answers, strict=True):
                _set_answer(call, answer)


def _set_answer(call: _Call[Request, Answer], answer: Answer | Exception) -> None:
    if not call.answer.done():
        call.answer.set_result(answer)
