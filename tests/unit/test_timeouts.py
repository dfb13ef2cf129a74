"""Time limits for answers: they do not count the time in which this process was busy."""

import asyncio
import time

import pytest

from gateway.concurrency.timeouts import FairTimeout


async def test_an_answer_in_time_passes() -> None:
    async with FairTimeout(5.0):
        await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_a_missing_answer_times_out() -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        async with FairTimeout(0.08):
            await asyncio.Event().wait()
    assert time.monotonic() - begun >= 0.07


async def test_an_answer_in_the_buffer_is_read_after_a_busy_loop() -> None:
    """The same wait with `asyncio.timeout` is given up, although the answer came at once."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    ours, theirs = await asyncio.open_connection(*server.sockets[0].getsockname())

    async def busy() -> None:
        for _ in range(3):
            time.sleep(0.1)  # noqa: ASYNC251  what a crowd of clients does to the loop
            await asyncio.sleep(0)

    theirs.write(b"ask\n")
    clients = asyncio.create_task(busy())
    async with FairTimeout(0.1):
        assert await ours.readline() == b"answer\n"
    await clients
    theirs.close()
    await theirs.wait_closed()
    server.close()
    await server.wait_closed()


async def test_an_error_and_a_cancellation_pass() -> None:
    with pytest.raises(ValueError, match="ours"):
        async with FairTimeout(5.0):
            raise ValueError("ours")

    async def wait() -> None:
        async with FairTimeout(5.0):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one line."""
    await reader.readline()
    writer.write(b"answer\n")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
