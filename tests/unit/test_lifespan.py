"""How a process stops: it drains, a second signal hurries it, and every step is closed whatever happens."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from gateway.process import lifespan
from gateway.process.lifespan import Step

TIME = timedelta(seconds=5)


class Process:
    """Steps that note what happens to them."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.steps = [Step(name, self._note(f"open {name}"), self._note(f"close {name}")) for name in "ab"]

    def _note(self, what: str) -> Callable[[], Awaitable[None]]:
        async def note() -> None:
            self.log.append(what)

        return note

    async def drain(self, hurry: asyncio.Event) -> None:
        """Wait for the second signal, as for clients that leave one after the other."""
        self.log.append("drain")
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
        await hurry.wait()
        self.log.append("hurried")


def stop() -> None:
    """Send the first signal once everything is open."""
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)


async def test_a_second_signal_skips_the_drain() -> None:
    process = Process()
    await lifespan.run(process.steps, within=TIME, ready=stop, drain=process.drain)
    assert process.log == ["open a", "open b", "drain", "hurried", "close b", "close a"]


async def test_without_a_drain_everything_is_closed_at_once() -> None:
    process = Process()
    await lifespan.run(process.steps, within=TIME, ready=stop)
    assert process.log == ["open a", "open b", "close b", "close a"]


async def test_a_drain_that_fails_or_hangs_keeps_nothing_open() -> None:
    async def explode(_hurry: asyncio.Event) -> None:
        raise RuntimeError("boom")

    async def hang(_hurry: asyncio.Event) -> None:
        await asyncio.Event().wait()

    for drain in (explode, hang):
        process = Process()
        await lifespan.run(process.steps, within=timedelta(seconds=0.2), ready=stop, drain=drain)
        assert process.log[-2:] == ["close b", "close a"]


async def test_a_step_that_failed_to_open_is_not_closed() -> None:
    process = Process()

    async def explode() -> None:
        raise RuntimeError("boom")

    steps = [*process.steps, Step("c", explode, explode)]
    with pytest.raises(RuntimeError):
        await lifespan.run(steps, within=TIME, ready=stop, drain=process.drain)
    assert process.log == ["open a", "open b", "close b", "close a"]
