"""Group commit: what comes while others are stored is stored together. Used by the writers of messages and orders."""

import copy
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

from gateway.concurrency.batcher import Batcher

log = structlog.get_logger()

Draft = TypeVar("Draft")
Placed = TypeVar("Placed")


class GroupCommit(Generic[Draft, Placed]):
    """A few lanes, each with one batch at a time. `store` makes a batch durable: an answer or an error for each of it.

    What `store` raises is about the batch as a whole: it is tried again one by one, so what one of them did wrong is no
    reason to refuse its neighbours. Only `unavailable` is for all of them, and for those behind them.
    """

    def __init__(
        self,
        name: str,
        store: Callable[[list[Draft]], Awaitable[Sequence[Placed | Exception]]],
        *,
        lanes: int,
        most: int,
        waiting: int,
        unavailable: type[Exception],
    ) -> None:
        self._name = name
        self._store = store
        self._unavailable = unavailable
        self._lanes: list[Batcher[Draft, Placed]] = [
            Batcher(f"{name}-{number}", self._write, most=most, waiting=waiting, unavailable=unavailable)
            for number in range(lanes)
        ]

    async def write(self, draft: Draft, lane: int) -> Placed:
        """The answer of `store`; drafts of the same lane are never stored at the same time. Raises its error.

        Who is cancelled while waiting does not know whether it was stored.
        """
        return await self._lanes[lane % len(self._lanes)].call(draft)

    async def close(self) -> None:
        """Take nothing more; returns when what was taken is stored."""
        for lane in self._lanes:
            await lane.close()

    async def _write(self, drafts: list[Draft]) -> Sequence[Placed | Exception]:
        try:
            return await self._store(drafts)
        except self._unavailable:
            raise
        except Exception as error:
            if len(drafts) == 1:
                return [error]
            log.warning("a batch was refused", of=self._name, drafts=len(drafts), reason=type(error).__name__)
        answers: list[Placed | Exception] = []
        for draft in drafts:
            try:
                answers += await self._write([draft])
            except self._unavailable as error:  # what is stored is answered, the rest is not tried
                return answers + [copy.copy(error) for _ in drafts[len(answers) :]]
        return answers
