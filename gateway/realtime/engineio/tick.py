"""Work that the engine does once per tick of the event loop for all connections. Created by the engine."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, Protocol

import structlog

log = structlog.get_logger()


class Receiver(Protocol):
    """A connection with messages to handle."""

    async def work(self) -> None:
        """Handle the messages that have been received."""


class MessageTasks:
    """Handles the messages that were received in a tick in one task, as long as no handler waits."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[None]] = set()
        self.waiting: deque[Receiver] = deque()  # connections that received a message in this tick

    def add(self, connection: Receiver) -> None:
        """Run `connection.work()` at the end of this tick."""
        self.waiting.append(connection)
        if len(self.waiting) == 1:
            self._spawn(self._work_off())
            asyncio.get_running_loop().call_soon(self._share)  # runs after the first step of that task

    async def wait(self, seconds: float) -> None:
        """Wait up to `seconds` until the tasks that run now have ended."""
        if self.running:
            await asyncio.wait(set(self.running), timeout=seconds)

    def cancel(self) -> None:
        """Cancel all tasks."""
        for task in self.running:
            task.cancel()

    async def _work_off(self) -> None:
        while self.waiting:
            await self.waiting.popleft().work()

    def _share(self) -> None:
        # A handler waits and must not delay the other connections: each gets a task of its own.
        while self.waiting:
            self._spawn(self.waiting.popleft().work())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        # In a new context: in the current one, log events of all connections would carry one connection's context.
        task = asyncio.get_running_loop().create_task(work, name="messages", context=Context())
        self.running.add(task)
        task.add_done_callback(self.running.discard)


class Corked(Protocol):
    """A transport with packets to write."""

    def flush(self) -> None:
        """Write the packets that are queued."""


class Cork:
    """Joins the packets of a tick into one write per transport, at the end of the tick."""

    def __init__(self) -> None:
        self._waiting: list[Corked] = []

    def add(self, transport: Corked) -> None:
        """Flush a transport at the end of this tick. Call it at most once per tick and transport."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._pop)
        self._waiting.append(transport)

    def _pop(self) -> None:
        waiting, self._waiting = self._waiting, []
        for transport in waiting:
            try:
                transport.flush()
            except Exception:  # the other transports must still be flushed
                log.exception("transport flush failed")
