"""One task handles the messages of a tick; when a handler waits, the other connections get tasks of their own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from gateway.realtime.engineio.tick import MessageTasks


class Speaker:
    """A connection that has said something."""

    def __init__(self, handle: Callable[[], Awaitable[None]] | None = None) -> None:
        self.handle = handle
        self.task: asyncio.Task[Any] | None = None
        self.logged: dict[str, Any] = {}
        self.done = False

    async def work(self) -> None:
        self.task = asyncio.current_task()
        self.logged = get_contextvars()
        if self.handle is not None:
            await self.handle()
        self.done = True


@pytest.fixture
async def tasks() -> AsyncIterator[MessageTasks]:
    tasks = MessageTasks()
    yield tasks
    await tasks.wait(5)
    assert not tasks.running, "tasks would be seen by the next test"


async def ticks(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_one_task_handles_all_messages_of_a_tick(tasks: MessageTasks) -> None:
    speakers = [Speaker() for _ in range(5)]
    for speaker in speakers:
        tasks.add(speaker)
    await ticks(2)
    assert all(speaker.done for speaker in speakers)
    assert len({speaker.task for speaker in speakers}) == 1
    assert not tasks.running


async def test_messages_do_not_wait_for_a_waiting_handler(tasks: MessageTasks) -> None:
    release = asyncio.Event()

    async def wait() -> None:
        await release.wait()

    speakers = [Speaker(), Speaker(wait), Speaker(), Speaker(wait), Speaker()]
    for speaker in speakers:
        tasks.add(speaker)
    await ticks(3)
    assert [speaker.done for speaker in speakers] == [True, False, True, False, True]
    later = Speaker()
    tasks.add(later)
    await ticks(2)
    assert later.done
    release.set()
    await ticks(3)
    assert all(speaker.done for speaker in speakers)
    assert not tasks.running
    assert not tasks.waiting


async def test_log_context_is_not_shared_between_clients(tasks: MessageTasks) -> None:
    """The messages of a polling client come with an HTTP request, which has an id."""
    polling, other, waiting = Speaker(), Speaker(lambda: asyncio.sleep(0)), Speaker()
    with bound_contextvars(request_id="of the POST"):
        tasks.add(polling)
    for speaker in (other, waiting):
        tasks.add(speaker)
    await ticks(3)
    assert polling.done
    assert waiting.done
    assert [speaker.logged for speaker in (polling, other, waiting)] == [{}, {}, {}]


async def test_a_cancelled_task_does_not_affect_other_clients(tasks: MessageTasks) -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    speakers = [Speaker(give_up), Speaker()]
    for speaker in speakers:
        tasks.add(speaker)
    await ticks(3)
    assert [speaker.done for speaker in speakers] == [False, True]
    assert not tasks.running
